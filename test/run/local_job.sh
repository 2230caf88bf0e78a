# shellcheck shell=bash
# Sourced by the scripts that start jobs of 8 ranks by --nproc and do something to them meanwhile.
source "$(dirname "$0")/grid_job.sh"

# start NAME ITERATIONS ARGUMENT...: in the background; its process is $launcher, the ranks are its
# children.
start() {
  local name=$1 iterations=$2
  shift 2
  "$binary" --nproc 8 "${grid[@]}" --train-iters "$iterations" --eval-interval 12 --eval-iters 1 \
    "$@" >"$work/$name.out" 2>&1 &
  launcher=$!
}

# finish STATUS: waits for what was started, which must end with this status.
finish() {
  local status=0
  wait "$launcher" || status=$?
  [ $status = "$1" ] || die "exit $status, expected $1"
}

job() { # job NAME ITERATIONS ARGUMENT...
  start "$@"
  finish 0
}

wait_for() { # wait_for NAME TEXT: until the job has printed it
  for _ in $(seq 600); do
    grep -q -- "$2" "$work/$1.out" && return
    kill -0 "$launcher" 2>/dev/null || die "the job ended before '$2'"
    sleep 0.05
  done
  die "no '$2' within 30 s"
}

expect_message() { # expect_message STATUS TEXT ARGUMENT...
  local want=$1 text=$2 status=0
  shift 2
  "$binary" "$@" >"$work/message.out" 2>&1 || status=$?
  [ $status = "$want" ] || die "$*: exit $status, expected $want"
  grep -qF -- "$text" "$work/message.out" || die "$*: no '$text' in the message"
}
