#!/usr/bin/env bash
# The paper's process grids at toy widths on this machine: 7B's DP 16 x TP 2 x PP 2 (64 ranks), 13B's
# 8 x 2 x 4 (64) and 70B's 4 x 8 x 8 (256), against one rank with the same settings. Every loss must
# agree within 1e-4.
#   scripts/paper_grids.sh [BINARY [PRESET ...]]
# Takes 20 seconds on 2 cores.
set -euo pipefail

binary=${1:-build/swallow-train}
shift || true
presets=("$@")
[ ${#presets[@]} -gt 0 ] || presets=(7b 13b 70b)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Widths that TP 8 divides, layers that PP 8 divides, a vocabulary that nothing divides; fp32, because
# bf16 rounds differently in every grid.
toy=(--num-layers 8 --hidden-size 64 --ffn-hidden-size 96 --num-attention-heads 16
  --num-query-groups 8 --vocab-size 61 --seq-length 16 --global-batch-size 32 --params-dtype fp32
  --mock-data --train-iters 5 --eval-interval 5 --eval-iters 1 --lr-warmup-iters 1 --lr 1e-3
  --cpu-threads 1 --save-interval 0)

# losses FILE: kind, iteration and loss of every step and evaluation.
losses() {
  sed -n 's/.*"kind":"\(step\|validation\)".*"step":\([0-9]*\).*"loss":\([-+0-9.e]*\).*/\1 \2 \3/p' "$1"
}

run() { # run NAME RANKS ARGUMENTS...
  local name=$1 ranks=$2
  shift 2
  "$binary" --nproc "$ranks" "$@" "${toy[@]}" --log-dir "$work/$name" >"$work/$name.out" 2>&1 || {
    tail -n 20 "$work/$name.out"
    exit 1
  }
  losses "$work/$name/metrics.jsonl" >"$work/$name.losses"
  [ -s "$work/$name.losses" ] || { echo "no losses in $name"; exit 1; }
}

for preset in "${presets[@]}"; do
  case $preset in
    7b | 13b) ranks=64 ;;
    70b) ranks=256 ;;
    *) echo "unknown preset $preset" && exit 2 ;;
  esac
  start=$SECONDS
  run "$preset-one" 1 --preset "$preset" --tensor-model-parallel-size 1 --pipeline-model-parallel-size 1 \
    --no-sequence-parallel
  run "$preset-grid" "$ranks" --preset "$preset"
  seconds=$((SECONDS - start))
  worst=$(paste -d' ' "$work/$preset-one.losses" "$work/$preset-grid.losses" | awk '
    $1 != $4 || $2 != $5 { print "mismatch"; exit }
    { d = $3 - $6; if (d < 0) d = -d; if (d > worst) worst = d }
    END { printf "%.3g", worst }')
  [ "$(wc -l <"$work/$preset-one.losses")" = "$(wc -l <"$work/$preset-grid.losses")" ] || worst=mismatch
  echo "$preset: $ranks ranks and one rank, largest difference of $(wc -l <"$work/$preset-grid.losses") losses $worst, $seconds s"
  awk -v worst="$worst" 'BEGIN { exit !(worst != "mismatch" && worst + 0 < 1e-4) }' ||
    { echo "FAILED: the bound is 1e-4"; paste "$work/$preset-one.losses" "$work/$preset-grid.losses"; exit 1; }
done
