#!/usr/bin/env bash
# Saves of the real binary in which one system call fails or is the last one, for every call that
# a save makes on its folder. After each, the job goes on: from the new checkpoint or from the one
# before, to the same bits as an undisturbed run.
#   test/run/save_faults.sh BINARY CASE      exit 77: strace is missing or not permitted here
set -euo pipefail

binary=$1
case_name=$2
[ "$case_name" = a_full_disk_does_not_stop_training ] && [ "${inside:-}" != 1 ] && {
  unshare --mount --map-root-user true 2>/dev/null || {
    echo "SKIPPED: unshare may not make a mount namespace here"
    exit 77
  }
  inside=1 exec unshare --mount --map-root-user "$0" "$@"
}
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
folder=run
train() { # train ITERATION ARGUMENT...: resumes what $folder holds, saves and ends at ITERATION
  local iteration=$1
  shift
  "${tracer[@]}" "$binary" --preset tiny --mock-data --cpu-threads 1 --num-layers 1 \
    --hidden-size 16 --ffn-hidden-size 32 --vocab-size 64 --seq-length 16 --global-batch-size 2 \
    --lr-warmup-iters 0 --train-iters 3 --eval-iters 0 --save "$folder" --load "$folder" --load-or-init \
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
# the N-th of its kind in its thread, which is how strace counts too.
points() {
  awk '{ call = $2; sub(/\(.*/, "", call); count[$1, call]++ }
       /iter_0000002\.tmp-1/ { saving = 1 }
       saving && /run\/(iter_|latest)|run>|"run"/ { print call, count[$1, call] }' "$1" |
    awk '!seen[$0]++'
}

# prepare: a fresh copy of what the victim starts from
prepare() {
  rm -rf run
  cp -r start run
}

# attempt STATUSES FAULT CALL N: a save under one fault, then the run goes on.
attempt() {
  local statuses=$1 fault=$2 call=$3 number=$4 status=0 loaded
  prepare
  trace fault.log "$call:$fault:when=$number"
  train "$last" "${victim[@]}" >victim.out 2>&1 || status=$?
  tracer=()
  [[ " $statuses " == *" $status "* ]] || die "$fault at $call $number: exit $status"
  train 3 >recovery.out 2>&1 || die "$fault at $call $number: the run does not go on"
  loaded=$(sed -n 's/.*loaded everything of iteration \([0-9]*\) .*/\1/p' recovery.out)
  case "$status $loaded" in
    "0 $last" | 74\ [123] | 137\ [123]) ;;
    *) die "$fault at $call $number: exit $status, then iteration '$loaded' is loaded" ;;
  esac
  [ "$(tensors run 3)" = "$want" ] || die "$fault at $call $number: the bits differ"
  for name in run/*.*; do
    [[ $name =~ /(config\.json|metrics\.jsonl|attempts\.jsonl|latest_checkpointed_iteration\.txt)$ ]] ||
      [[ $name == *.old && ! -e ${name%.old} ]] || # not yet replaced: it is the checkpoint
      die "$fault at $call $number: $name is left over"
  done
  attempts=$((attempts + 1))
}

# attempt_all: every call of a save, under KILL and under an error; under either error where the call
# is not one of the many writes.
victim=()
last=2       # the iteration at which the victim ends
only=''      # calls that are cut; empty: all
attempts=0
attempt_all() {
  local call number turn=0
  prepare
  trace dry.log
  train "$last" "${victim[@]}" >dry.out 2>&1 || die "the save without a fault"
  tracer=()
  points dry.log >points
  while read -r call number; do
    [[ -z $only || $only == *" $call "* ]] || continue
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

train 1 >first.out 2>&1
cp -r run start
train 2 >second.out 2>&1
train 3 >third.out 2>&1
want=$(tensors run 3)

case $case_name in
  a_save_cut_at_any_system_call_loses_nothing)
    require_strace
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
    # A disk that lies: 64 bytes count as written and are not. No size tells, the hash does.
    number=$(awk '/pwrite64/ { count++ } /pwrite64.* = 4096$/ { at = count } END { print at }' dry.log)
    prepare
    trace fault.log "pwrite64:retval=64:when=$number"
    train 2 >victim.out 2>&1 || die "the save noticed"
    tracer=()
    train 3 >recovery.out 2>&1 || die "the run does not go on"
    grep -q 'iteration 2 is passed over: rank 0: .*rank-00000.safetensors: tensor .*, bytes ' \
      recovery.out || die "the lost bytes are not named"
    [ "$(tensors run 3)" = "$want" ] || die "the bits differ after lost bytes"
    ;;

  a_replaced_and_a_deleted_checkpoint_cut_anywhere_lose_nothing)
    require_strace
    # Iteration 2 is there already, and left-overs of dead jobs are; iteration 1 goes with the commit.
    rm -rf start
    cp -r run start
    rm -r start/iter_0000003
    cp -r start/iter_0000002 start/iter_0000002.tmp-1
    cp -r start/iter_0000002 start/iter_0000000.trash
    printf 1 >start/latest_checkpointed_iteration.txt
    victim=(--most-recent-k 1)
    only=' rename unlinkat unlink mkdir openat '
    attempt_all
    grep -q rename points || die "no rename was found"
    prepare
    train 2 "${victim[@]}" >victim.out 2>&1
    [ "$(cd run && echo iter_*)" = iter_0000002 ] || die "left: $(ls run)"
    ;;

  a_save_in_the_background_cut_anywhere_loses_nothing)
    require_strace
    # Iteration 2 is written by a thread while step 3 is done; the end waits for it and saves 3.
    victim=(--async-save --save-interval 2)
    last=3
    only=' mkdir fallocate fsync rename unlink openat '
    attempt_all
    [ "$(awk '/fsync\(.*rank-00000/ { print $1 }' dry.log | sort -u | wc -l)" = 2 ] ||
      die "no thread has written"
    ;;

  a_full_disk_does_not_stop_training)
    # Room for one checkpoint of some 90 KiB and the beginning of a second.
    mkdir disk
    mount -t tmpfs -o size=150k none disk
    folder=disk/run
    saves=(--log-dir log --save-interval 1)
    status=0
    train 0 "${saves[@]}" >full.out 2>&1 || status=$?
    [ $status = 74 ] || die "the last save cannot be done: exit $status, expected 74"
    grep -q ' 3/3 ' full.out || die "the training did not go on"
    for text in 'iteration 2 is not saved: rank 0: ' ' bytes free' 'the checkpoint takes ' \
      'iteration 1 in disk/run is whole' 'training goes on'; do
      grep -qF -- "$text" full.out || die "no '$text' in the message"
    done
    [ "$(cd disk/run && echo iter_*)" = iter_0000001 ] || die "left: $(ls disk/run)"
    mount -o remount,size=10m disk
    train 0 "${saves[@]}" >freed.out 2>&1 || die "the run does not go on when there is room"
    grep -q 'loaded everything of iteration 1' freed.out || die "iteration 1 was not loaded"
    [ "$(tensors disk/run 3)" = "$want" ] || die "the bits differ"
    umount disk
    ;;

  *)
    echo "unknown case $case_name" >&2
    exit 2
    ;;
esac
echo "passed: $case_name"
