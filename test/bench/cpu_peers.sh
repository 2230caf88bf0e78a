#!/usr/bin/env bash
# Whole training steps beside PyTorch on this machine's CPU: the same shapes, batch, threads and
# optimizer, ours and each of PyTorch's ways in turn, several rounds in one run. Prints medians over
# the rounds and how many times faster ours is; compare ratios, not milliseconds, between machines.
# All train on the same tokens (peer_tokens.py) from the same weights (ours, exported) at one rate,
# so that losses compare too: those of all steps of a run are printed, and how far PyTorch's are
# from ours, relative to ours, at most. fp32 differs by the order of sums, bf16 by what is rounded.
#   test/bench/cpu_peers.sh [-b BINARY] [-r ROUNDS] [-i ITERS] [-t THREADS] [-m "15M 42M 110M"]
#                           [-d "bf16 fp32"] [-1 PYTHON_OF_TORCH_1] [-2 PYTHON_OF_TORCH_2]
#                           [-x SECONDS_OF_A_PYTORCH_RUN_AT_MOST]
# Debian's python3-torch is a PyTorch 1.13 for -1; with it install libopenblas0-pthread, as the
# reference BLAS takes minutes for a step of fp32. For -2 install torch in a virtual environment.
# A PyTorch run that takes longer than -x (600) is stopped, and not begun again in later rounds.
# Needs 2.5 GB in $TMPDIR, for the checkpoint that the weights of 110M are exported from.
set -euo pipefail

binary=build/swallow-train rounds=3 iters=4 threads=2 models="15M 42M 110M" dtypes="bf16 fp32"
python1='' python2='' limit=600
while getopts b:r:i:t:m:d:1:2:x: option; do
  case $option in
    b) binary=$OPTARG ;; r) rounds=$OPTARG ;; i) iters=$OPTARG ;; t) threads=$OPTARG ;;
    m) models=$OPTARG ;; d) dtypes=$OPTARG ;; 1) python1=$OPTARG ;; 2) python2=$OPTARG ;;
    x) limit=$OPTARG ;;
    *) exit 2 ;;
  esac
done
here=$(dirname "$0")
# For all of them alike: threads that spin while they wait take the cores from those that work as
# soon as anything else runs, be it another job or PyTorch's second pool of threads.
export OMP_WAIT_POLICY=passive
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# shape NAME: layers hidden ffn heads sequence batch
shape() {
  case $1 in
    15M) echo 6 288 768 6 256 4 ;;
    42M) echo 8 512 1376 8 512 4 ;;
    110M) echo 12 768 2048 12 1024 2 ;;
    *) echo "unknown model $1: 15M, 42M or 110M" >&2; return 2 ;;
  esac
}

# swallow DTYPE FLAG...: a run of the model of this turn, one step after the other
swallow() {
  "$binary" --vocab-size 32000 --num-layers "$layers" --hidden-size "$hidden" \
    --ffn-hidden-size "$ffn" --num-attention-heads "$heads" --params-dtype "$1" \
    --cpu-threads "$threads" --eval-iters 0 "${@:2}" \
    >"$work/ours.out" 2>&1 || { tail -n 5 "$work/ours.out" >&2; return 1; }
}

# start DTYPE: the tokens and the first weights, which a step at rate 0 leaves as they were drawn
start() {
  rm -rf "$work/tokens" "$work/initial" "$work/weights"
  mkdir "$work/tokens"
  python3 "$here/peer_tokens.py" "$work/tokens" "$batch" "$sequence" 32000
  swallow "$1" --mock-data --seq-length 16 --micro-batch-size 1 --global-batch-size 1 \
    --train-iters 1 --lr 0 --save "$work/initial" --export-hf "$work/weights"
  rm -r "$work/initial"
}

# ours DTYPE: "milliseconds loss..."
ours() {
  local log=$work/ours blend=() row
  for ((row = 0; row < batch; ++row)); do blend+=(1 "$work/tokens/row-$row"); done
  rm -rf "$log"
  swallow "$1" --train-data-path "${blend[@]}" --seq-length "$sequence" \
    --micro-batch-size "$batch" --global-batch-size "$batch" --train-iters $((iters + 2)) \
    --lr 1e-4 --lr-decay-style constant --weight-decay 0.1 --adam-beta1 0.9 --adam-beta2 0.95 \
    --adam-eps 1e-8 --clip-grad 1 --log-dir "$log"
  python3 - "$log/metrics.jsonl" <<'PY'
import json, statistics, sys
steps = [r for r in map(json.loads, open(sys.argv[1])) if r.get("kind") == "step"]
print(1e3 * statistics.median(r["seconds"] for r in steps[2:]), *(r["loss"] for r in steps))
PY
}

# torch NAME PYTHON MODE DTYPE [FLAG...]: the row of one run; what was stopped once is left alone
torch() {
  local status=0
  if grep -q "^$1 stopped" "$work/rows"; then return; fi
  timeout --foreground "$limit" "$2" "$here/torch_cpu_llama.py" --mode "$3" \
    --dtype "$4" --layers "$layers" --hidden "$hidden" --ffn "$ffn" --heads "$heads" \
    --seq "$sequence" --batch "$batch" --threads "$threads" --iters "$iters" \
    --tokens "$work/tokens" --weights "$work/weights/model.safetensors" "${@:5}" \
    >"$work/torch.out" 2>"$work/torch.err" || status=$?
  case $status in
    0) python3 - "$1" "$work/torch.out" <<'PY' ;;
import json, sys
run = json.load(open(sys.argv[2]))
print(sys.argv[1], run["ms"], *run["losses"])
PY
    124) echo "$1 stopped after $limit s" ;;
    *) tail -n 3 "$work/torch.err" >&2; echo "$1 failed with exit code $status" ;;
  esac >>"$work/rows"
}

echo "$(date -u +%F), $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2-), $threads threads," \
  "load before $(cut -d' ' -f1-3 /proc/loadavg)"
for model in $models; do
  sizes=$(shape "$model")
  read -r layers hidden ffn heads sequence batch <<<"$sizes"
  for dtype in $dtypes; do
    : >"$work/rows"
    start "$dtype"
    for ((round = 0; round < rounds; ++round)); do
      own=$(ours "$dtype")
      echo "swallow-train $own" >>"$work/rows"
      [ -z "$python1" ] || torch torch1-eager "$python1" eager "$dtype"
      [ -n "$python2" ] || continue
      for mode in eager sdpa compile; do
        torch "torch2-$mode" "$python2" $mode "$dtype"
        if [ "$dtype" = bf16 ] && [ $mode != eager ]; then
          torch "torch2-$mode-pure" "$python2" $mode "$dtype" --pure-bf16
        fi
      done
    done
    python3 "$here/peer_table.py" "$model" "$dtype" "$work/rows"
  done
done
echo "load after $(cut -d' ' -f1-3 /proc/loadavg)"
