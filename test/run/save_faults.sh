#!/usr/bin/env bash
# Saves of the real binary in which one system call fails or is the last one, for every call that
# a save makes on its folder. After each, the job goes on: from the new checkpoint or from the one
# before, to the same bits as an undisturbed run.
#   test/run/save_faults.sh BINARY CASE      exit 77: strace is missing or not permitted here
set -euo pipefail

binary=$1
case_name=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

die() {
  echo "FAILED: $*" >&2
  tail -n 20 ./*.out >&2 || true
  exit 1
}

# One rank and a model of a few kilobytes: iteration 1 is there, iteration 2 is saved under faults,
# iteration 3 shows whether any bit was lost.
train() { # train ITERATION ARGUMENT...: resumes where there is something, saves at ITERATION
  local iteration=$1
  shift
  "${tracer[@]}" "$binary" --preset tiny --mock-data --cpu-threads 1 --num-layers 1 \
    --hidden-size 16 --ffn-hidden-size 32 --vocab-size 64 --seq-length 16 --global-batch-size 2 \
    --lr-warmup-iters 0 --train-iters 3 --eval-iters 0 --save run --load run --load-or-init \
    --exit-interval "$iteration" "$@"
}
tracer=()

tensors() { # tensors FOLDER ITERATION: one hash over all tensor files
  (cd "$1/iter_000000$2" && sha256sum -- *.safetensors | sha256sum)
}

calls=openat,write,pwrite64,ftruncate,fallocate,fsync,fdatasync
calls+=,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir
trace() { # trace LOG [INJECTION]: the next runs of train() are traced
  tracer=(strace -f -y -o "$1" -e "trace=$calls" ${2:+-e "inject=$2"})
}

require_strace() {
  command -v strace >/dev/null || skip "there is no strace"
  strace -f -o probe.log -e trace=fsync -e inject=fsync:error=EIO true 2>probe.out ||
    skip "strace may not trace here: $(head -n 1 probe.out)"
}
skip() {
  echo "SKIPPED: $1"
  exit 77
}

# points LOG: "CALL N" for every call on the run's checkpoints from the first one of the save on:
# the N-th of its kind in the process.
points() {
  awk '{ call = $2; sub(/\(.*/, "", call); count[call]++ }
       /iter_0000002\.tmp-1/ { saving = 1 }
       saving && /run\/(iter_|latest)|run>|"run"/ { print call, count[call] }' "$1"
}

# prepare: a fresh copy of what the victim starts from
prepare() {
  rm -rf run
  cp -r start run
}

# attempt STATUSES FAULT CALL N: the save under one fault, then the run goes on.
attempt() {
  local statuses=$1 fault=$2 call=$3 number=$4 status=0 loaded
  prepare
  trace fault.log "$call:$fault:when=$number"
  train 2 "${victim[@]}" >victim.out 2>&1 || status=$?
  tracer=()
  [[ " $statuses " == *" $status "* ]] || die "$fault at $call $number: exit $status"
  train 3 >recovery.out 2>&1 || die "$fault at $call $number: the run does not go on"
  loaded=$(sed -n 's/.*loaded everything of iteration \([0-9]*\) .*/\1/p' recovery.out)
  case "$status $loaded" in
    "0 2" | 74\ [12] | 137\ [12]) ;;
    *) die "$fault at $call $number: exit $status, then iteration '$loaded' is loaded" ;;
  esac
  [ "$(tensors run 3)" = "$want" ] || die "$fault at $call $number: the bits differ"
  compgen -G 'run/*.*' | grep -vE '/(config.json|metrics.jsonl|latest_checkpointed_iteration.txt)$' &&
    die "$fault at $call $number: the above is left over"
  attempts=$((attempts + 1))
}

# attempt_all: every call of a save, under KILL and under an error; under either error where the call
# is not one of the many writes.
victim=()
attempts=0
attempt_all() {
  local call number turn=0
  prepare
  trace dry.log
  train 2 "${victim[@]}" >dry.out 2>&1 || die "the save without a fault"
  tracer=()
  points dry.log >points
  while read -r call number; do
    attempt 137 signal=KILL "$call" "$number"
    turn=$((1 - turn))
    if [ $turn = 1 ] || [ "$call" != pwrite64 ]; then
      attempt "0 74" error=ENOSPC "$call" "$number"
    fi
    if [ $turn = 0 ] || [ "$call" != pwrite64 ]; then
      attempt "0 74" error=EIO "$call" "$number"
    fi
  done <points
  echo "$(wc -l <points) system calls, $attempts saves under a fault"
}

require_strace
train 1 >first.out 2>&1
cp -r run start
train 2 >second.out 2>&1
train 3 >third.out 2>&1
want=$(tensors run 3)

case $case_name in
  a_save_cut_at_any_system_call_loses_nothing)
    attempt_all
    grep -q pwrite64 points || die "no write was found"
    # Nothing is named before what it names is on the disk.
    order=$(awk '/fsync\(.*rank-00000/ { print "data" }
                 /fsync\(.*tmp-1\/manifest/ { print "manifest" }
                 /fsync\(.*tmp-1>/ { print "folder" }
                 /rename.*iter_0000002\.tmp-1/ { print "rename" }
                 /fsync\(.*\/run>/ { print "names" }
                 /fsync\(.*latest/ { print "tracker" }
                 /rename.*latest/ { print "tracker-rename" }' dry.log | paste -sd ' ')
    [ "$order" = "data manifest folder rename names tracker tracker-rename names" ] ||
      die "order of the calls: $order"
    ;;

  *)
    echo "unknown case $case_name" >&2
    exit 2
    ;;
esac
echo "passed: $case_name"
