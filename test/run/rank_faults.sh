#!/usr/bin/env bash
# Ranks of a real job that are slow, hang, are stopped or die: who is named, how soon the others end,
# and what node-check says of them.
#   test/run/rank_faults.sh BINARY CASE
set -euo pipefail

binary=$1
case_name=$2
source "$(dirname "$0")/local_job.sh"

rank_process() { # rank_process RANK: of what was started
  local process
  for process in $(pgrep -P "$launcher"); do
    if tr '\0' '\n' <"/proc/$process/environ" | grep -qx "SWALLOW_RANK=$1"; then
      echo "$process"
    fi
  done
}

# hold_up RANK: from now on the rank of what was started, $victim, runs a fifth of the time only.
hold_up() {
  victim=$(rank_process "$1")
  [ -n "$victim" ] || die "rank $1 is not found"
  while kill -STOP "$victim" 2>/dev/null; do
    sleep 0.04
    kill -CONT "$victim" 2>/dev/null || break
    sleep 0.01
  done &
  holder=$!
  cleanup() { # also when the case fails
    kill "$holder" 2>/dev/null || true
    kill -CONT "$victim" 2>/dev/null || true
    kill -TERM "$launcher" 2>/dev/null || true
  }
}

case $case_name in
  a_rank_that_is_held_up_is_named)
    # One rank runs a fifth of the time only, as on a host that is throttled, and all steps take
    # longer. A rank computes for many of the stops between two calls: a stop within a call looks
    # like waiting for others.
    "$binary" --nproc 4 --preset tiny --mock-data --cpu-threads 1 --global-batch-size 128 \
      --train-iters 100000 --eval-iters 0 >"$work/slow.out" 2>&1 &
    launcher=$!
    wait_for slow ' 2/100000 '
    hold_up 2
    wait_for slow 'slow: rank 2 (host '
    kill "$holder"
    wait "$holder" 2>/dev/null || true
    kill -CONT "$victim"
    kill -TERM "$victim"
    finish 75
    tr -s ' ' <"$work/slow.out" | grep -q 'slow rank rank 2 (host .*) in [0-9]* of [0-9]* windows' ||
      die "the summary does not name the rank"
    ;;

  node_check_names_the_rank_that_is_held_up)
    "$binary" node-check --nproc 4 --cpu-threads 1 --output "$work/record.json" \
      >"$work/check.out" 2>&1 &
    launcher=$!
    wait_for check 'ranks from'
    hold_up 2
    finish 69
    kill "$holder" 2>/dev/null || true
    grep -q 'slow: .*: rank 2 (.*) has' "$work/check.out" || die "rank 2 is not named"
    grep -qx -- '.*--exclude=[^ ]*' "$work/check.out" || die "no hosts to exclude"
    grep -q '"mode": "node-check"' "$work/record.json" || die "no record"
    ! grep -q 'wrong:' "$work/check.out" || die "something is called wrong"
    ;;

  node_check_measures_every_group_and_ends_with_a_lost_rank)
    status=0
    "$binary" node-check --nproc 4 --tensor-model-parallel-size 2 --cpu-threads 1 \
      >"$work/check.out" 2>&1 || status=$?
    [ $status = 0 ] || [ $status = 69 ] || die "exit $status, expected 0 or 69"
    for what in 'product bf16' 'product f32' 'memory' 'pair, TP group' 'pair, DP group' \
      'all-reduce, TP group' 'reduce-scatter, DP group' 'all-gather, DP group' \
      'all-reduce, all ranks'; do
      grep -q "$what" "$work/check.out" || die "no row of '$what'"
    done
    ! grep -q 'wrong:' "$work/check.out" || die "something is called wrong"

    # A rank that says nothing any more, which only the others can tell.
    "$binary" node-check --nproc 4 --cpu-threads 1 --distributed-timeout-minutes 0.15 \
      >"$work/lost.out" 2>&1 &
    launcher=$!
    cleanup() { kill -KILL "$launcher" 2>/dev/null || true; }
    wait_for lost 'ranks from'
    sleep 1.5 # every rank tells once a second what it is about
    ranks=$(pgrep -P "$launcher")
    kill -STOP "$(rank_process 3)"
    finish 76
    grep -q 'rank 3 on .*no word for' "$work/lost.out" || die "the silent rank is not named"
    for rank in $ranks; do
      ! kill -0 "$rank" 2>/dev/null || die "process $rank is left"
    done
    expect_message 2 "3 ranks: expected a multiple of --tensor-model-parallel-size 2" \
      node-check --nproc 3 --tensor-model-parallel-size 2
    expect_message 2 "--output /proc/none: cannot write there" node-check --output /proc/none
    ;;

  a_killed_rank_ends_all_and_is_named)
    # Ranks write in the background most of the time: their threads must not outlive the job.
    start killed 100000 --save "$work/killed" --async-save --save-interval 1 --most-recent-k 2
    wait_for killed ' 3/100000 '
    ranks=$(pgrep -P "$launcher")
    kill -KILL "$(tail -n 1 <<<"$ranks")"
    finish 137
    grep -q 'rank 7 on .* is gone' "$work/killed.out" || die "the dead rank is not named"
    for rank in $ranks; do
      ! kill -0 "$rank" 2>/dev/null || die "process $rank is left"
    done
    ;;

  a_stopped_rank_ends_all_and_is_named_with_its_doings)
    start hung 100000 --save "$work/hung" --distributed-timeout-minutes 0.13
    wait_for hung ' 3/100000 '
    sleep 1.5 # every rank tells once a second what it is about
    rank=$(pgrep -P "$launcher" | tail -n 1)
    kill -STOP "$rank"
    finish 76
    grep -q 'not waiting for others: rank 7 on .*no word for .* step .* call ' "$work/hung.out" ||
      die "the stopped rank and what it did are not named"
    ! kill -0 "$rank" 2>/dev/null || die "process $rank is left"
    [ "$(find "$work/hung/last-calls" -name 'rank-0000[0-6].txt' | wc -l)" = 7 ] || die "last calls"
    grep -q 'has not returned: call .* group' "$work/hung/last-calls/rank-00006.txt" ||
      die "rank 6 did not wait in a call"
    ;;

  a_rank_that_hangs_in_its_computation_ends_all_and_is_named)
    # Layers large enough that a rank mostly computes; one that is caught in a collective is another
    # case, and it is tried again.
    for attempt in 1 2 3 4 5; do
      start hung 100000 --log-dir "$work/hung$attempt" --phase-timeouts step=0.1 \
        --hidden-size 256 --ffn-hidden-size 1024
      wait_for hung ' 3/100000 '
      rank=$(pgrep -P "$launcher" | tail -n 1)
      "$(dirname "$binary")/hold_thread" "$rank" >"$work/held.out" &
      finish 76
      wait $!
      grep -q held "$work/held.out" || die "the thread was not held"
      ! kill -0 "$rank" 2>/dev/null || die "process $rank is left"
      grep -q 'has not returned' "$work/hung$attempt/last-calls/rank-00007.txt" || break
    done
    grep -q 'rank 7 on .*: rank 7 hangs in step .* --phase-timeouts step=.* after call ' \
      "$work/hung.out" || die "the rank that hangs is not named"
    ;;

  a_suspended_job_has_not_hung)
    job straight 200 --save "$work/straight"
    start suspended 200 --save "$work/suspended" --distributed-timeout-minutes 0.1 \
      --phase-timeouts step=0.1
    wait_for suspended ' 3/200 '
    ranks=$(pgrep -P "$launcher")
    kill -STOP $ranks
    sleep 10 # more than either limit
    kill -CONT $ranks
    finish 0
    [ "$(tensors "$work/straight" 200)" = "$(tensors "$work/suspended" 200)" ] || die "bits differ"
    ;;

  *)
    echo "unknown case $case_name" >&2
    exit 2
    ;;
esac
echo "passed: $case_name"
