#!/usr/bin/env bash
# 8 ranks of the real binary under another launcher of this machine: undisturbed, and stopped by a
# signal to mpirun and resumed. Both end with the bits of a run started by --nproc.
#   test/run/mpirun.sh BINARY openmpi|mpich
set -euo pipefail

binary=$1
launcher=$2
exec </dev/null
source "$(dirname "$0")/grid_job.sh"
patience=240 # seconds for what takes a few on a quiet machine

case $launcher in
  openmpi)
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    mpirun=(mpirun.openmpi --oversubscribe --bind-to none)
    source_name="Open MPI"
    ;;
  mpich)
    # Left to itself, Hydra kills the others as soon as one rank has ended with 75, and makes a status
    # of its own of that. Its control connections need no name of this host.
    mpirun=(mpirun.mpich -disable-auto-cleanup -localhost 127.0.0.1)
    source_name=Hydra
    ;;
  *)
    echo "unknown launcher $launcher" >&2
    exit 2
    ;;
esac

# Ranks know each other by a key in the user's home.
mkdir "$work/home"
export HOME=$work/home

# start NAME ITERATIONS ARGUMENT...: in the background; mpirun is $mpirun_process.
start() {
  local name=$1 iterations=$2
  shift 2
  timeout --kill-after 10 $patience "${mpirun[@]}" -n 8 "$binary" "${grid[@]}" \
    --train-iters "$iterations" --eval-interval 12 --eval-iters 1 "$@" >"$work/$name.out" 2>&1 &
  guard=$!
}

cleanup() {
  [ -z "${guard:-}" ] || kill "$guard" 2>/dev/null || true
}

finish() { # finish STATUS
  local status=0
  wait "$guard" || status=$?
  [ $status = "$1" ] || die "${mpirun[0]} ended with $status, expected $1"
}

begun() { grep -q " 3/$iterations " "$work/stopped.out"; }

straight() { # straight NAME ITERATIONS: the same by --nproc
  timeout $patience "$binary" --nproc 8 "${grid[@]}" --train-iters "$2" --eval-interval 12 \
    --eval-iters 1 --save "$work/$1" >"$work/$1.out" 2>&1 || die "the undisturbed run"
}

straight straight 24
start whole 24 --save "$work/whole"
finish 0
grep -q "8 ranks from $source_name" "$work/whole.out" || die "not started by $source_name"
same_run "$work/whole" "$work/straight" 24

iterations=120 # time enough to send a signal
straight long $iterations
start stopped $iterations --save "$work/stopped"
for ((tries = 0; tries < patience * 10; ++tries)); do
  ! begun || break
  kill -0 "$guard" 2>/dev/null || die "the job ended before its third step"
  sleep 0.1
done
begun || die "no third step within $patience s"
kill -USR1 "$(pgrep -P "$guard")" # mpirun itself: timeout would end at the signal
finish 75
start resumed $iterations --save "$work/stopped" --load "$work/stopped"
finish 0
same_run "$work/stopped" "$work/long" $iterations
echo "passed: $launcher"
