#!/usr/bin/env bash
# Speed of whole training steps on this machine's CPU: the shapes that peers are measured on, one rank
# with all cores, and 2 ranks in each way of being parallel, all in one run. Prints the median step
# and GFLOP/s by the causal formula; ratios to one rank are what compares between machines.
#   test/bench/cpu_step.sh [BINARY [STEPS]]
set -euo pipefail

binary=${1:-build/swallow-train}
steps=${2:-12}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# shape NAME: the flags of a model
shape() {
  case $1 in
    15M) echo --hidden-size 288 --num-layers 6 --num-attention-heads 6 --ffn-hidden-size 768 \
      --seq-length 256 --global-batch-size 4 ;;
    42M) echo --hidden-size 512 --num-layers 8 --num-attention-heads 8 --ffn-hidden-size 1376 \
      --seq-length 512 --global-batch-size 4 ;;
    110M) echo --hidden-size 768 --num-layers 12 --num-attention-heads 12 --ffn-hidden-size 2048 \
      --seq-length 1024 --global-batch-size 2 ;;
  esac
}

# measure LABEL RANKS FLAG...: one row; the first two steps warm up and are left out
measure() {
  local label=$1 ranks=$2
  shift 2
  "$binary" --nproc "$ranks" --mock-data --vocab-size 32000 --train-iters "$steps" --eval-iters 0 \
    --log-dir "$work/$label" "$@" >"$work/$label.out" 2>&1 || { tail -n 5 "$work/$label.out"; exit 1; }
  sed -n 's/.*"kind":"step".*"step":\([0-9]*\).*"seconds":\([0-9.e-]*\).*"tokens":\([0-9]*\).*"tflops_per_rank_causal":\([0-9.e-]*\).*/\1 \2 \3 \4/p' \
    "$work/$label/metrics.jsonl" | awk '$1 > 2' | sort -k2 -g |
    awk -v label="$label" -v ranks="$ranks" '
      { seconds[NR] = $2; tokens = $3; flops = $4 * $2 }
      END { m = seconds[int((NR + 1) / 2)]
        printf "%-22s %10.1f %12.0f %12.1f\n", label, m * 1e3, tokens / m, ranks * flops / m * 1e3 }'
}

printf '%-22s %10s %12s %12s\n' "model, precision, ranks" "median ms" "tokens/s" "GFLOP/s"
for model in 15M 42M 110M; do
  for dtype in bf16 fp32; do
    read -r -a flags <<<"$(shape $model)"
    flags+=(--params-dtype "$dtype")
    measure "$model,$dtype,1" 1 --micro-batch-size "${flags[-3]}" "${flags[@]}"
    [ $model = 42M ] || continue
    measure "$model,$dtype,DP2" 2 --micro-batch-size 2 "${flags[@]}"
    measure "$model,$dtype,TP2" 2 --micro-batch-size 4 "${flags[@]}" \
      --tensor-model-parallel-size 2 --sequence-parallel
    measure "$model,$dtype,PP2" 2 --micro-batch-size 1 "${flags[@]}" \
      --pipeline-model-parallel-size 2
  done
done
