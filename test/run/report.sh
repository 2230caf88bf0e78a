#!/usr/bin/env bash
# What is made of a real run's log: the report, and what the W&B follower would send.
#   test/run/report.sh BINARY CASE
set -euo pipefail

binary=$1
case_name=$2
here=$(dirname "$0")
source "$(dirname "$0")/grid_job.sh"

train() { # train ARGUMENT...: 8 ranks, 20 steps at most
  "$binary" --nproc 8 "${grid[@]}" --train-iters 20 --lr-warmup-iters 2 --save-interval 4 --eval-interval 5 \
    --eval-iters 1 --save "$work/run" "$@" >"$work/train.out" 2>&1 || die "training"
}

follow() {
  python3 "$here/../../scripts/wandb_follow.py" "$work/run" "$@"
}

count() { # count TEXT: lines of what would be sent that have it
  grep -c -- "$1" "$work/sent.out" || true
}

case $case_name in
  a_real_run_becomes_a_page_that_parses)
    train --exit-interval 10
    train --load "$work/run"
    "$binary" report "$work/run" --output "$work/page.html" >"$work/report.out" || die "report"
    grep -q 'step 20 of 20' "$work/report.out" || die "the summary does not tell the progress"
    python3 - "$work/page.html" <<'PYTHON' || die "the page"
import sys
import xml.etree.ElementTree as tree

page = tree.parse(sys.argv[1]).getroot()
svg = "{http://www.w3.org/2000/svg}"
pictures = page.findall(f".//{svg}svg")
assert len(pictures) >= 9, len(pictures)
for picture in pictures:
    if picture.get("viewBox") is None:
        continue  # the patterns that others use
    width, height = map(float, picture.get("viewBox").split()[2:])
    for element in picture.iter():
        for name, most in ("x", width), ("y", height), ("cx", width), ("cy", height):
            if element.get(name) is not None:
                assert -0.1 <= float(element.get(name)) <= most + 0.1, (element.tag, element.attrib)
PYTHON
    ;;

  the_follower_sends_every_line_once_and_knows_restarts)
    train --exit-interval 10
    follow --dry-run --once >"$work/sent.out" || die "follower"
    [ "$(count '"train/loss"')" = 10 ] || die "$(count '"train/loss"') steps, expected 10"
    train --load "$work/run" --ckpt-step 8
    printf 'torn{\n{"schema":1,"kind":"step","step":21,"lo' >>"$work/run/metrics.jsonl"
    # Without --once it ends by itself, for the last step is there.
    timeout 60 python3 "$here/../../scripts/wandb_follow.py" "$work/run" --dry-run --interval 0.1 \
      >"$work/sent.out" 2>"$work/follow.out" || die "follower"
    [ "$(count '"train/loss"')" = 22 ] || die "$(count '"train/loss"') steps, expected 10 and 12"
    [ "$(count '"restart": 1.*"train/loss"')" = 12 ] || die "the restart is not told"
    [ "$(count '"validation/loss"')" = 5 ] || die "$(count '"validation/loss"') validations"
    [ "$(count '"test/loss"')" = 1 ] || die "no test"
    [ "$(count '"config"')" = 2 ] || die "not both jobs"
    grep -q '1 lines could not be read' "$work/follow.out" || die "damage is not told"
    [ ! -e "$work/run/wandb_follow.json" ] || die "a dry run leaves a position"
    # Against a stand-in for the library: stopped and started again, nothing is sent twice.
    mkdir "$work/fake"
    cat >"$work/fake/wandb.py" <<'PYTHON'
import json
import types


class Run:
    def __init__(self, id):
        self.id = id
        self.config = types.SimpleNamespace(update=lambda config, allow_val_change: None)

    def define_metric(self, *names, **options):
        pass

    def log(self, values):
        print(json.dumps({"id": self.id, **values}), flush=True)

    def finish(self):
        print("finished")


def init(project, entity, name, id, resume):
    assert project == "p" and resume == "allow"
    return Run(id)
PYTHON
    head -n 8 "$work/run/metrics.jsonl" >"$work/first.jsonl"
    cp "$work/run/metrics.jsonl" "$work/all.jsonl"
    for part in first all all; do
      cat "$work/$part.jsonl" >"$work/run/metrics.jsonl"
      PYTHONPATH=$work/fake follow --project p --once >>"$work/real.out" || die "follower"
    done
    [ "$(grep -c '"train/loss"' "$work/real.out")" = 22 ] || die "sent twice or not at all"
    [ "$(grep -o '"id": "[0-9a-f]*"' "$work/real.out" | sort -u | wc -l)" = 1 ] || die "another id"
    ! follow --once >"$work/usage.out" 2>&1 || die "--project is not asked for"
    grep -q -- '--project' "$work/usage.out" || die "--project is not named"
    ;;

  *)
    echo "unknown case $case_name" >&2
    exit 2
    ;;
esac
echo "passed: $case_name"
