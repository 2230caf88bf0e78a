#!/usr/bin/env bash
# Kills a random rank of a job of 8 at a random moment, resumes, kills again. All ranks must be gone
# soon after each kill, and a run that comes to its end must have the bits of an undisturbed one.
#   test/run/kill_loop.sh BINARY KILLS SEED
set -euo pipefail

binary=$1
kills=$2
seed=$3
source "$(dirname "$0")/grid_job.sh"
RANDOM=$seed

iterations=24
# Saves and evaluations take a good part of the time, so that kills fall into them.
job=("${grid[@]}" --train-iters "$iterations" --save-interval 2 --eval-interval 3 --eval-iters 4
  --max-failed-attempts 0)
most_seconds=60 # for all ranks to be gone after a kill; generous, since the machine may be busy
moments=(start-up step evaluation save)
declare -A hits
launcher=

cleanup() {
  [ -z "$launcher" ] || kill -KILL "$launcher" 2>/dev/null || true
}

# start FOLDER ARGUMENT...: the job as process $launcher; descriptor $lines reads what it prints.
start() {
  local folder=$1
  shift
  exec {lines}< <(exec "$binary" --nproc 8 "${job[@]}" --save "$folder" --load "$folder" \
    --load-or-init "$@" 2>&1)
  launcher=$!
}

# pass STEPS MULTIPLE: reads on until STEPS steps are done and the last is a multiple; false if the
# job ends before.
pass() {
  local left=$1 line
  while IFS= read -r line <&"$lines"; do
    echo "$line" >>"$work/killed.out"
    [[ $line =~ ^\[0\]\ [0-9T:-]+\ +([0-9]+)/$iterations\  ]] || continue
    left=$((left - 1))
    ((left > 0 || BASH_REMATCH[1] % $2 != 0)) || return 0
  done
  return 1
}

begun() { # until the launcher has started a rank; false if it does not
  for _ in $(seq 1000); do
    ! pgrep -P "$launcher" >/dev/null || return 0
    sleep 0.01
  done
  return 1
}

# wait_for_moment MOMENT: false if the job ends before.
wait_for_moment() {
  case $1 in
    start-up) begun ;;
    step) pass $((1 + RANDOM % 4)) 1 ;;
    evaluation) pass 1 3 ;;
    save) pass 1 2 ;;
  esac
}

# finish: reads what is left to be printed and sets $status; every process must let go of the output.
finish() {
  status=0
  timeout $most_seconds cat <&"$lines" >>"$work/killed.out" ||
    die "ranks are left $most_seconds s after the kill: $(pgrep -a -f -- "$work/" || true)"
  exec {lines}<&-
  wait "$launcher" || status=$?
  launcher=
  ! pgrep -a -f -- "$work/" || die "these processes are left"
}

# kill_one MOMENT: kills a rank then, if the job is still there. Sets $victim, a rank or empty.
kill_one() {
  local ranks window=40 # about what a step, a save or an evaluation takes, in ms
  [ "$1" != start-up ] || window=250
  victim=
  wait_for_moment "$1" || return 0
  sleep "0.$(printf '%03d' $((RANDOM % window)))"
  mapfile -t ranks < <(pgrep -P "$launcher" | sort -n)
  ((${#ranks[@]} == 8)) || return 0
  victim=$((RANDOM % 8))
  kill -KILL "${ranks[victim]}" 2>/dev/null || victim=
}

start "$work/straight"
timeout 300 cat <&"$lines" >"$work/straight.out"
wait "$launcher" || die "the undisturbed run"
exec {lines}<&-

done_kills=0
runs=0
slowest=0
cut_saves=0
while ((done_kills < kills)); do
  runs=$((runs + 1))
  saves=()
  ((runs % 2)) || saves=(--async-save) # every second run writes in the background
  status=1
  while ((status != 0)); do
    : >"$work/killed.out"
    start "$work/run" "${saves[@]}"
    victim=
    if ((done_kills < kills)); then
      moment=${moments[done_kills % ${#moments[@]}]}
      kill_one "$moment"
    fi
    since=${EPOCHREALTIME/./}
    finish
    took=$(((${EPOCHREALTIME/./} - since) / 1000))
    ((status != 0)) || break # it came to its end; a kill may have found a rank that had just ended
    [ -n "$victim" ] || die "run $runs ended with $status without a kill"
    ((status == 137)) || die "rank $victim was killed, but the job ended with $status"
    grep -q "rank $victim was killed by signal 9" "$work/killed.out" ||
      die "rank $victim was killed, but is not named"
    done_kills=$((done_kills + 1))
    hits[$moment]=$((${hits[$moment]:-0} + 1))
    ((took <= slowest)) || slowest=$took
    [ -z "$(compgen -G "$work/run/iter_*.tmp-*")" ] || cut_saves=$((cut_saves + 1))
  done
  same_run "$work/run" "$work/straight" $iterations
  rm -r "$work/run"
done

printf '%d kills, seed %d:' "$done_kills" "$seed"
for moment in "${moments[@]}"; do printf ' %d in %s,' "${hits[$moment]:-0}" "$moment"; done
printf ' %d saves cut;\n%d runs, all with the bits and losses of the undisturbed one;' \
  "$cut_saves" "$runs"
printf ' all ranks gone at most %d ms after a kill\n' "$slowest"
