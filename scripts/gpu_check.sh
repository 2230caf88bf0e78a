#!/usr/bin/env bash
# One command for a machine with a GPU, no network and no package manager: tests, benchmarks, PyTorch
# beside us, and the memory checker, within eight minutes. Every part has its own time limit, and a
# part that fails does not stop the next. Leaves in OUTPUT a log of each part, gpu_check-<time>.jsonl
# with one record a part and benchmark, and gpu_check-<time>.txt to read. Changes no setting of the
# GPU.
#   scripts/gpu_check.sh [--bin FOLDER] [--tiny] [--limit SECONDS] [--only "PART ..."] OUTPUT
# --bin: where swallow-train and swallow-tests are; default: bin beside this script, as
#   pack_gpu_check.sh leaves it, else build.
# --tiny: toy sizes, to try the script. --only: names of parts, as in the summary.
# Exit status: 0 all parts passed, 1 some did not, 2 usage, 69 no GPU that swallow-train can use.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
bin=$here/bin
[[ -d $bin ]] || bin=$here/../build
limit=460
tiny=false
only=
usage() {
  echo "$(basename "$0"): $1; see the head of the script" >&2
  exit 2
}
while [[ ${1:-} == -* ]]; do
  case $1 in
    --tiny) tiny=true ;;
    --bin | --limit | --only)
      [[ -n ${2:-} ]] || usage "$1 needs a value"
      declare "${1#--}=$2"
      shift
      ;;
    *) usage "unknown option '$1'" ;;
  esac
  shift
done
[[ -n ${1:-} ]] || usage "no folder for the output"
mkdir -p "$1" || exit 2
out=$(cd "$1" && pwd)
[[ -d $bin ]] || usage "no folder $bin"
bin=$(cd "$bin" && pwd)
[[ -x $bin/swallow-train ]] || usage "no swallow-train in $bin"
[[ -d $here/share/swallow-train/golden ]] && export SWALLOW_GOLDEN=$here/share/swallow-train/golden
torch_script=$here/torch_llama.py
[[ -f $torch_script ]] || torch_script=$here/../test/bench/torch_llama.py
python=$(command -v python3 || true)

stamp=$(date -u +%Y%m%dT%H%M%SZ)
record=$out/gpu_check-$stamp.jsonl
summary=$out/gpu_check-$stamp.txt
rm -f "$out"/bench_*.json "$out/torch.json" # of an earlier run
: >"$record"
: >"$summary"
failed=0

say() { printf '%s\n' "$*" | tee -a "$summary"; }

# quoted TEXT: as a JSON string
quoted() { printf '"%s"' "$(printf '%s' "$1" | tr '\n\t' '  ' | sed 's/[\\"]/\\&/g' | tr -d '\000-\037')"; }

wanted() { [[ -z $only || " $only " == *" $1 "* ]]; }

# left_out NAME WHY
left_out() {
  wanted "$1" || return 0
  say "$(printf '%-24s left out: %s' "$1" "$2")"
  printf '{"kind":"part","part":"%s","left_out":%s}\n' "$1" "$(quoted "$2")" >>"$record"
}

# part NAME SECONDS COMMAND...: runs a part within its limit and what is left of all; a JSON file
# OUTPUT/NAME.json that it leaves goes into the record.
part() {
  local name=$1 seconds=$2 status=0 began=$SECONDS left=$((limit - SECONDS))
  shift 2
  wanted "$name" || return 0
  ((seconds < left)) || seconds=$left
  if ((seconds < 5)); then
    left_out "$name" "$SECONDS of $limit s are used"
    failed=1
    return 1
  fi
  rm -f "$out/$name.json"
  timeout -k 5 "$seconds" "$@" >"$out/$name.log" 2>&1 || status=$?
  local result=passed
  case $status in
    0) ;;
    124 | 137) result="stopped after $seconds s" ;;
    *) result="failed with $status" ;;
  esac
  ((status == 0)) || failed=1
  say "$(printf '%-24s %-20s %4d s' "$name" "$result" $((SECONDS - began)))"
  ((status == 0)) || tail -n 4 "$out/$name.log" | cut -c1-300 | sed 's/^/    /' | tee -a "$summary"
  printf '{"kind":"part","part":"%s","status":%d,"seconds":%d,"limit":%d,"command":%s}\n' "$name" \
    "$status" $((SECONDS - began)) "$seconds" "$(quoted "$*")" >>"$record"
  if [[ -s $out/$name.json ]]; then
    { printf '{"kind":"benchmark","part":"%s","record":' "$name"; tr -d '\n' <"$out/$name.json"; echo '}'; } >>"$record"
  fi
  return $status
}

# number NAME KEY: the first number under that key in a part's JSON
number() { sed -n "s/.*\"$2\": *\([-0-9.e+]*\).*/\1/p" "$out/$1.json" 2>/dev/null | head -n 1; }

# ---- 1. what is here

# The libraries of the Python that holds PyTorch come first: both programs then run on the same, and
# where the system has none they are found at all.
add_python_libraries() {
  local folders
  [[ -n $python ]] || return 0
  folders=$("$python" - <<'PYTHON'
import glob, importlib.util
spec = importlib.util.find_spec("nvidia")
roots = list(spec.submodule_search_locations) if spec else []
print(":".join(folder for root in roots for folder in sorted(glob.glob(root + "/*/lib"))))
PYTHON
  ) || return 0
  export LD_LIBRARY_PATH=$folders${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}

# shellcheck disable=SC2317  # called by name, in a shell of its own for the time limit
facts() {
  "$bin/swallow-train" --version
  uname -srm
  nproc
  grep -m1 'model name' /proc/cpuinfo
  command -v nvidia-smi || { echo "nvidia-smi: not here"; return 0; }
  nvidia-smi --query-gpu=index,name,driver_version,memory.total,clocks.sm,clocks.max.sm,clocks.mem,power.draw,power.limit,temperature.gpu,persistence_mode,mig.mode.current --format=csv
  nvidia-smi topo -m
}

add_python_libraries
export -f facts
export bin
part facts 30 bash -c facts
version=$("$bin/swallow-train" --version 2>/dev/null)
gpu=$(sed -n 's/^cuda:0: //p' <<<"$version")
printf '{"kind":"facts","time":"%s","text":%s}\n' "$stamp" "$(quoted "$(cat "$out/facts.log" 2>/dev/null)")" >>"$record"
say "$(head -n 1 <<<"$version")"
if [[ -z $gpu ]]; then
  say "no GPU that swallow-train can use: nothing was checked"
  sed -n '/CUDA\|cuBLASLt\|cuDNN\|NCCL/s/^/    /p' <<<"$version" | tee -a "$summary"
  exit 69
fi
say "GPU: $gpu"

# ---- the sizes

if $tiny; then
  model7=(--hidden-size 128 --ffn-hidden-size 192 --num-attention-heads 2 --num-query-groups 2
    --seq-length 32 --vocab-size 128 --make-vocab-size-divisible-by 1)
  model13=(--num-layers 4 --hidden-size 256 --ffn-hidden-size 192 --num-attention-heads 4
    --num-query-groups 4 --seq-length 32 --vocab-size 128)
  model70=(--num-layers 8 --hidden-size 512 --ffn-hidden-size 512 --num-attention-heads 8
    --num-query-groups 8 --seq-length 32 --vocab-size 128)
  batch=2 iters=1 layers=1 depth=(--num-layers 2) ceilings=(--peak-tflops 1 --peak-bandwidth 100) device=cpu
  torch_model=(--hidden 128 --ffn 192 --heads 2 --kv-heads 2 --seq 32 --vocab 128)
else
  model7=(--vocab-size 32000)
  model13=(--vocab-size 32000)
  model70=(--vocab-size 32000)
  batch=16 iters=5 depth=() ceilings=() device=cuda
  torch_model=(--hidden 4096 --ffn 11008 --heads 32 --kv-heads 32 --seq 4096 --vocab 32000)
  # What PyTorch needs of memory with the same state is more than 7B's 32 layers leave on any GPU.
  memory=$(sed -n 's/.*, \([0-9]*\)\.[0-9]* GiB, .*/\1/p' <<<"$gpu")
  layers=4
  ((${memory:-0} >= 70)) && layers=10
  ((${memory:-0} >= 130)) && layers=16
fi
one=(--tensor-model-parallel-size 1 --pipeline-model-parallel-size 1 --no-sequence-parallel
  --global-batch-size "$batch" --backend cuda)
single=("${one[@]}" --micro-batch-size 1)
# Weight gradients are added to fp32 half as often; it fits as the masters' upper halves are the
# bf16 weights.
double=("${one[@]}" --micro-batch-size 2 --use-precision-aware-optimizer)
times=(--warmup-iters 1 --bench-iters "$iters")
train=("$bin/swallow-train")
bench=("$bin/swallow-train" bench)

# ---- 2. is it right

small=(--num-layers 2 --hidden-size 128 --ffn-hidden-size 256 --num-attention-heads 2 --vocab-size 512
  --seq-length 128 --global-batch-size 4 --mock-data --eval-iters 0 --log-dir)
# By subject, so that a case that hangs costs the others nothing; a line at a time, so that the log
# shows which.
tests=(stdbuf -oL "$bin/swallow-tests" --durations yes)
part tests_ops 90 "${tests[@]}" "[cuda]~[comm]~[model],[device]~[comm]~[model]~[ranks]"
part tests_model 60 "${tests[@]}" "[cuda][model],[device][ranks]"
part tests_comm 60 "${tests[@]}" "[cuda][comm]"
# The same ten steps on both devices; bf16 rounds differently, so the losses are for the eye.
part train_gpu 40 "${train[@]}" "${small[@]}" "$out/train_gpu" --train-iters 10 --backend cuda
part train_cpu 40 "${train[@]}" "${small[@]}" "$out/train_cpu" --train-iters 10 --backend cpu
for where in cpu gpu; do
  wanted "train_$where" || continue
  losses=$(sed -n 's/.*"kind":"step".*"loss":\([0-9.]*\).*/\1/p' "$out/train_$where/metrics.jsonl" 2>/dev/null | cut -c1-8 | paste -sd' ')
  say "    losses on the $where: ${losses:-none}"
done

# ---- 3. is it fast

bench_7b() {
  local name=$1
  shift
  part "$name" 110 "${bench[@]}" --preset 7b "${model7[@]}" "${depth[@]}" "${times[@]}" "$@" \
    --output "$out/$name.json"
}
bench_7b bench_7b "${single[@]}" || bench_7b bench_7b_selective "${single[@]}" --recompute-granularity selective
bench_7b bench_7b_double "${double[@]}"
bench_7b bench_7b_ops "${single[@]}" --ops "${ceilings[@]}"
part bench_13b_slice 30 "${bench[@]}" --preset 13b "${model13[@]}" --micro-batch-size 1 --backend cuda \
  --slice --bench-iters "$iters" --output "$out/bench_13b_slice.json"
part bench_70b_slice 30 "${bench[@]}" --preset 70b "${model70[@]}" --micro-batch-size 1 --backend cuda \
  --slice --bench-iters "$iters" --output "$out/bench_70b_slice.json"

# ---- 4. PyTorch, the same layers

if [[ -n $python ]] && "$python" -c 'import torch' 2>/dev/null; then
  part bench_layers 60 "${bench[@]}" --preset 7b "${model7[@]}" "${double[@]}" "${times[@]}" \
    --num-layers "$layers" --output "$out/bench_layers.json"
  part torch 120 "$python" "$torch_script" --layers "$layers" "${torch_model[@]}" --device "$device" \
    --micro-batch 2 --global-batch "$batch" --warmup 1 --iters "$iters" --output "$out/torch.json"
else
  left_out bench_layers "there is no PyTorch to compare with"
  left_out torch "python3 has no torch"
fi

# ---- 5. the checkers of memory and of races, as far as time is left

PATH=$PATH:/usr/local/cuda/bin
# sanitize TOOL FLAG...
sanitize() {
  local tool=$1
  shift
  if command -v compute-sanitizer >/dev/null; then
    part "$tool" 60 compute-sanitizer --tool "$tool" "$@" --error-exitcode 9 "${train[@]}" "${small[@]}" \
      "$out/$tool.run" --train-iters 1 --backend cuda
  else
    left_out "$tool" "no compute-sanitizer"
  fi
}
sanitize memcheck
# racecheck knows nothing of the barriers by which cuDNN's Hopper kernels order their copies, and
# reports each of them.
sanitize racecheck --kernel-name-exclude kns=cudnn

# ---- what it comes to

say ""
for name in bench_7b bench_7b_selective bench_7b_double bench_13b_slice bench_70b_slice bench_layers torch; do
  [[ -s $out/$name.json ]] || continue
  say "$(printf '%-20s %10s tokens/s a GPU %9s TFLOPS causal  MFU %s' "$name" \
    "$(number "$name" tokens_per_second_per_rank)" "$(number "$name" tflops_per_rank_causal)" \
    "$(number "$name" mfu_causal)")"
done
ours=$(number bench_layers tokens_per_second_per_rank)
theirs=$(number torch tokens_per_second_per_rank)
if [[ -n $ours && -n $theirs ]]; then
  say "$(awk -v a="$ours" -v b="$theirs" -v n="$layers" \
    'BEGIN { printf "with %d layers: %.3f times the speed of PyTorch", n, a / b }')"
fi
[[ -s $out/bench_7b_ops.log ]] && cat "$out/bench_7b_ops.log" >>"$summary"
say "took $SECONDS s; record: $record"
exit $failed
