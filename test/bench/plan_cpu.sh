#!/usr/bin/env bash
# How far the model behind `swallow-train plan` is from this machine's own steps. Calibrates a
# hardware profile from records of `swallow-train bench` (single ops on one core, the other core as
# busy; steps that are mostly traffic for the link), then compares predicted with measured medians of ten
# other models and grids, of 2 to 8 ranks of one thread. Wants a machine that does nothing else. Rounds are interleaved, so that all share
# what else the machine does; of a case the round with the least median counts, the quietest one.
#   test/bench/plan_cpu.sh [BUILD_FOLDER [ROUNDS [STEPS]]]
set -euo pipefail

folder=${1:-build}
rounds=${2:-3}
steps=${3:-6}
cmake --build "$folder" --target plan_cpu swallow-train >/dev/null
binary=$folder/swallow-train
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
common=(--mock-data --cpu-threads 1 --vocab-size 8000 --params-dtype bf16)

# model H L F HEADS S: flags
model() {
  echo --hidden-size "$1" --num-layers "$2" --ffn-hidden-size "$3" --num-attention-heads "$4" \
    --seq-length "$5"
}
# grid DP TP PP MBS MICROBATCHES: flags, the number of ranks first
grid() {
  echo --nproc $(($1 * $2 * $3)) --tensor-model-parallel-size "$2" --pipeline-model-parallel-size "$3" \
    --micro-batch-size "$4" --global-batch-size $(($1 * $4 * $5))
  if [ "$2" -gt 1 ]; then echo --sequence-parallel; fi
}
# case NAME: its flags. ops-*, link-*: of the calibration; others: unseen
flags_of() {
  case $1 in
    ops-small) model 192 4 512 3 512 && echo --micro-batch-size 2 ;;
    ops-medium) model 448 6 1184 7 256 && echo --micro-batch-size 2 ;;
    ops-long) model 640 2 1712 10 512 && echo --micro-batch-size 1 ;;
    ops-wide) model 1024 2 2816 16 256 && echo --micro-batch-size 1 ;;
    link-small) model 64 16 176 4 32 && grid 1 2 1 1 8 ;;
    link-large) model 1024 2 2816 16 32 && grid 2 1 1 1 1 ;;
    dp2) model 384 6 1024 6 256 && grid 2 1 1 2 2 ;;
    pp2) model 384 6 1024 6 256 && grid 1 1 2 2 4 ;;
    tp2) model 384 6 1024 6 256 && grid 1 2 1 2 2 ;;
    wide-dp2) model 768 3 2048 12 256 && grid 2 1 1 1 2 ;;
    long-tp2) model 256 4 688 4 1024 && grid 1 2 1 1 2 ;;
    dp4) model 320 4 864 5 256 && grid 4 1 1 1 2 ;;
    dp2-pp2) model 320 8 864 5 256 && grid 2 1 2 1 4 ;;
    tp2-pp2) model 512 6 1376 8 256 && grid 1 2 2 1 4 ;;
    dp2-tp2) model 448 4 1216 7 384 | sed 's/--num-attention-heads 7/--num-attention-heads 8/' && grid 2 2 1 1 2 ;;
    dp2-tp2-pp2) model 256 4 688 4 256 && grid 2 2 2 1 4 ;;
  esac
}
# measure NAME ROUND
measure() {
  local flags
  read -r -d '' -a flags <<<"$(flags_of "$1")" || true
  "$binary" bench "${flags[@]}" "${common[@]}" --bench-iters "$steps" --warmup-iters 2 \
    --output "$work/$1.$2.json" >"$work/out" 2>&1 || { tail -n 5 "$work/out" >&2; exit 1; }
}
# measure_ops NAME ROUND: one process is read, another keeps the second core as busy
measure_ops() {
  local flags ops
  read -r -d '' -a flags <<<"$(flags_of "$1")" || true
  ops=("$binary" bench --ops "${flags[@]}" "${common[@]}" --bench-iters 7)
  "${ops[@]}" --output "$work/other.json" >/dev/null 2>&1 &
  local other=$!
  "${ops[@]}" --output "$work/$1.$2.json" >"$work/out" 2>&1 || { tail -n 5 "$work/out" >&2; exit 1; }
  wait "$other"
}
# quietest NAME: the record of the round with the least median step
quietest() {
  for file in "$work/$1".*.json; do
    echo "$(sed -n '/"step_ms"/,/}/s/.*"median": \([0-9.e+-]*\).*/\1/p' "$file") $file"
  done | sort -g | awk 'NR == 1 { print $2 }'
}

unseen=(dp2 pp2 tp2 wide-dp2 long-tp2 dp4 dp2-pp2 tp2-pp2 dp2-tp2 dp2-tp2-pp2)
for round in $(seq "$rounds"); do
  for name in ops-small ops-medium ops-long ops-wide; do measure_ops "$name" "$round"; done
  for name in link-small link-large "${unseen[@]}"; do measure "$name" "$round"; done
done
"$folder/plan_cpu" calibrate "$(nproc)" "$work"/ops-*.json -- "$(quietest link-small)" \
  "$(quietest link-large)" >"$work/cpu.json"
grep -A 1 -E '"(peak_tflops|gemm_.*second|attention_.*|link_.*)"' "$work/cpu.json" | grep -v -e '^--' | paste - -
records=()
for name in "${unseen[@]}"; do records+=("$(quietest "$name")"); done
"$folder/plan_cpu" compare "$work/cpu.json" "${records[@]}"
