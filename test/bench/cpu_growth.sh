#!/usr/bin/env bash
# How the cost of a step grows on a CPU with the sequence, the layers, the vocabulary and the ranks.
# Each row is held to the first one of its kind: measured / expected is the growth of the time over
# that of the step's FLOP (causal formula); what stays near 1 grows as it should, and what goes up
# with the size hides a cost that the formula does not know. Prints a table, writes it as CSV and
# draws it (growth_plot.py) beside that.
#   test/bench/cpu_growth.sh [-b BINARY] [-i ITERS] [-s "256 .. 8192"] [-n "1 .. 256"] [-o FILE.csv]
set -euo pipefail

binary=build/swallow-train iters=4 output=cpu_growth.csv
sequences="256 512 1024 2048 4096 8192" ranks="1 2 4 16 64 256"
while getopts b:i:s:n:o: option; do
  case $option in
    b) binary=$OPTARG ;; i) iters=$OPTARG ;; s) sequences=$OPTARG ;; n) ranks=$OPTARG ;;
    o) output=$OPTARG ;;
    *) exit 2 ;;
  esac
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "kind,size,ranks,median_s,tokens_per_s,tflop_per_step,seconds_per_tflop,over_expected" >"$output"
printf '%-10s %6s %10s %12s %10s %14s\n' kind size "median ms" tokens/s GFLOP/s "over expected"

# measure KIND SIZE RANKS FLAG...
measure() {
  local kind=$1 size=$2 ranks=$3
  rm -rf "$work/log"
  "$binary" --nproc "$ranks" --mock-data --train-iters $((iters + 2)) --eval-iters 0 \
    --params-dtype bf16 --log-dir "$work/log" "${@:4}" >"$work/out" 2>&1 ||
    { tail -n 5 "$work/out" >&2; return 1; }
  python3 - "$work/log/metrics.jsonl" "$output" "$kind" "$size" "$ranks" <<'PY'
import csv, json, statistics, sys
log, output, kind, size, ranks = sys.argv[1:]
steps = [r for r in map(json.loads, open(log)) if r.get("kind") == "step"][2:]
seconds = statistics.median(r["seconds"] for r in steps)
tflop = steps[-1]["tflops_per_rank_causal"] * steps[-1]["seconds"] * int(ranks)
rows = list(csv.DictReader(open(output)))
first = next((float(r["seconds_per_tflop"]) for r in rows if r["kind"] == kind), seconds / tflop)
over = seconds / tflop / first
speed = steps[-1]["tokens"] / seconds
with open(output, "a", newline="") as file:
    csv.writer(file).writerow([kind, size, ranks, f"{seconds:.6g}", f"{speed:.6g}", f"{tflop:.6g}",
                               f"{seconds / tflop:.6g}", f"{over:.4g}"])
print(f"{kind:10} {size:>6} {1e3 * seconds:10.1f} {speed:12.0f} {1e3 * tflop / seconds:10.1f} {over:14.2f}")
PY
}

small="--hidden-size 256 --num-attention-heads 4 --ffn-hidden-size 688"
one="--micro-batch-size 1 --global-batch-size 1"
for s in $sequences; do
  # shellcheck disable=SC2086
  measure sequence "$s" 1 $small $one --num-layers 4 --vocab-size 4096 --seq-length "$s"
done
for l in 2 4 8 16 32; do
  # shellcheck disable=SC2086
  measure layers "$l" 1 $small $one --num-layers "$l" --vocab-size 4096 --seq-length 512
done
for v in 4096 16384 65536 131072; do
  # shellcheck disable=SC2086
  measure vocabulary "$v" 1 $small $one --num-layers 2 --vocab-size "$v" --seq-length 512
done
# Toy ranks share the cores: the same work for each, so the time grows with their number.
for n in $ranks; do
  measure ranks "$n" "$n" --hidden-size 64 --num-attention-heads 4 --ffn-hidden-size 176 \
    --num-layers 2 --vocab-size 512 --seq-length 128 --micro-batch-size 1 --global-batch-size "$n"
done
"$(dirname "$0")/growth_plot.py" "$output" "${output%.csv}.svg"
