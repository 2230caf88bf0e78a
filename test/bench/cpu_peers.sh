#!/usr/bin/env bash
# Whole training steps beside PyTorch on this machine's CPU: the same shapes, batch, threads and
# optimizer, ours and each of PyTorch's ways in turn, several rounds in one run. Prints medians over
# the rounds and how many times faster ours is; compare ratios, not milliseconds, between machines.
#   test/bench/cpu_peers.sh [-b BINARY] [-r ROUNDS] [-i ITERS] [-t THREADS] [-m "15M 42M 110M"]
#                           [-d "bf16 fp32"] [-1 PYTHON_OF_TORCH_1] [-2 PYTHON_OF_TORCH_2]
# Debian's python3-torch is a PyTorch 1.13 for -1; for -2 install torch in a virtual environment.
set -euo pipefail

binary=build/swallow-train rounds=3 iters=4 threads=2 models="15M 42M 110M" dtypes="bf16 fp32"
python1='' python2=''
while getopts b:r:i:t:m:d:1:2: option; do
  case $option in
    b) binary=$OPTARG ;; r) rounds=$OPTARG ;; i) iters=$OPTARG ;; t) threads=$OPTARG ;;
    m) models=$OPTARG ;; d) dtypes=$OPTARG ;; 1) python1=$OPTARG ;; 2) python2=$OPTARG ;;
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

# ours MODEL DTYPE: "milliseconds first-loss last-loss"
ours() {
  local layers hidden ffn heads sequence batch
  read -r layers hidden ffn heads sequence batch <<<"$(shape "$1")"
  local log=$work/ours
  rm -rf "$log"
  "$binary" --mock-data --vocab-size 32000 --num-layers "$layers" --hidden-size "$hidden" \
    --ffn-hidden-size "$ffn" --num-attention-heads "$heads" --seq-length "$sequence" \
    --micro-batch-size "$batch" --global-batch-size "$batch" --params-dtype "$2" \
    --cpu-threads "$threads" --train-iters $((iters + 2)) --eval-iters 0 --log-dir "$log" \
    >"$work/ours.out" 2>&1 || { tail -n 5 "$work/ours.out" >&2; return 1; }
  python3 - "$log/metrics.jsonl" <<'PY'
import json, statistics, sys
steps = [r for r in map(json.loads, open(sys.argv[1])) if r.get("kind") == "step"]
print(1e3 * statistics.median(r["seconds"] for r in steps[2:]), steps[0]["loss"], steps[-1]["loss"])
PY
}

# torch PYTHON MODE MODEL DTYPE [FLAG...]
torch() {
  local layers hidden ffn heads sequence batch
  read -r layers hidden ffn heads sequence batch <<<"$(shape "$3")"
  "$1" "$here/torch_cpu_llama.py" --mode "$2" --dtype "$4" \
    --layers "$layers" --hidden "$hidden" --ffn "$ffn" --heads "$heads" --seq "$sequence" \
    --batch "$batch" --threads "$threads" --iters "$iters" "${@:5}" 2>"$work/torch.err" |
    python3 -c 'import json, sys; r = json.load(sys.stdin); print(r["ms"], r["loss_first"], r["loss_last"])' ||
    { tail -n 3 "$work/torch.err" >&2; echo "nan nan nan"; }
}

echo "$(date -u +%F), $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2-), $threads threads," \
  "load before $(cut -d' ' -f1-3 /proc/loadavg)"
for model in $models; do
  for dtype in $dtypes; do
    : >"$work/rows"
    for ((round = 0; round < rounds; ++round)); do
      echo "swallow-train $(ours "$model" "$dtype")" >>"$work/rows"
      if [ -n "$python1" ]; then
        echo "torch1-eager $(torch "$python1" eager "$model" "$dtype")" >>"$work/rows"
      fi
      [ -n "$python2" ] || continue
      for mode in eager sdpa compile; do
        echo "torch2-$mode $(torch "$python2" $mode "$model" "$dtype")" >>"$work/rows"
        [ "$dtype" = bf16 ] && [ $mode != eager ] || continue
        echo "torch2-$mode-pure $(torch "$python2" $mode "$model" "$dtype" --pure-bf16)" >>"$work/rows"
      done
    done
    python3 - "$model" "$dtype" "$work/rows" <<'PY'
import statistics, sys
model, dtype, path = sys.argv[1:]
runs = {}
for line in open(path):
    name, *values = line.split()
    runs.setdefault(name, []).append([float(v) for v in values])
own = statistics.median(r[0] for r in runs["swallow-train"])
for name, rows in runs.items():
    ms = statistics.median(r[0] for r in rows)
    print(f"{model:5} {dtype} {name:20} {ms:9.1f} ms  x{ms / own:5.2f}  "
          f"rounds {' '.join(f'{r[0]:.0f}' for r in rows)}  loss {rows[0][1]:.3f} -> {rows[0][2]:.3f}")
PY
  done
done
echo "load after $(cut -d' ' -f1-3 /proc/loadavg)"
