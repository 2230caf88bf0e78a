#!/usr/bin/env bash
# Whole jobs of the real binary under a real Slurm, 8 ranks over two nodes: started in every way, told
# to stop, cut off and killed. However often they are requeued, they end with the bits of a run that
# nobody disturbed, started by --nproc.
#   test/slurm/cases.sh BINARY CASE
set -euo pipefail

binary=$(readlink -f "$1")
case_name=$2
tests=$(cd "$(dirname "$0")/.." && pwd)
if [ "${inside_cluster:-}" != 1 ]; then
  exec </dev/null
  inside_cluster=1 exec "$tests/slurm/cluster.sh" "$0" "$binary" "$case_name"
fi
source "$tests/run/grid_job.sh"

# Ranks know each other by a key in the user's home, which the nodes share.
mkdir "$work/home"
export HOME=$work/home

run=("$binary" "${grid[@]}" --eval-interval 12 --eval-iters 1 --save-interval 10)
patience=240 # seconds for what takes at most ten on a quiet machine

iterations=120 # of the jobs that are disturbed: time enough to do it

straight() { # straight ITERATIONS: the undisturbed run
  "${run[@]}" --nproc 8 --train-iters "$1" --save "$work/straight" >"$work/straight.out" 2>&1 ||
    die "the undisturbed run"
}

# await WHAT COMMAND...: until the command succeeds
await() {
  local what=$1 end=$((SECONDS + patience))
  shift
  until "$@"; do
    ((SECONDS < end)) || die "not within $patience s: $what; $(squeue --long)"
    sleep 0.1
  done
}

# are_signalled PROCESS...: SIGUSR1 is pending for each, or has ended it (Slurm may send CONT too)
are_signalled() {
  local process pending
  for process in "$@"; do
    pending=$(sed -n 's/^ShdPnd:\s*//p' "/proc/$process/status" 2>/dev/null) || continue
    ((0x${pending:-200} & 1 << 9)) || return 1
  done
}

said() { grep -q -- "$1" "$work/job.out" 2>/dev/null; }

# submit SBATCH_OPTION...: the run as job $job, which requeues itself until it is complete
# and leaves the exit statuses of its attempts in the file `attempts`.
submit() {
  cat >"$work/job.sh" <<'JOB'
#!/bin/bash
status=0
# Slurm itself would wait for ever for the ranks of a node that it has lost.
srun --wait 10 "$@" || status=$?
echo "$status" >>attempts
case $status in
  0) ;;
  75 | 76 | 137) scontrol requeue "$SLURM_JOB_ID" ;;
esac
exit $status
JOB
  job=$(sbatch --parsable --nodes 2 --ntasks-per-node 4 --requeue --open-mode append \
    --chdir "$work" --output job.out "$@" "$work/job.sh" \
    "${run[@]}" --train-iters $iterations --save run --load run --load-or-init)
  await "the job trains" said " 3/$iterations "
}

attempts() { xargs 2>/dev/null <"$work/attempts" || true; }
is_gone() { [ -z "$(squeue --noheader --jobs "$job" 2>/dev/null)" ]; }

# complete STATUSES: the job comes to its end, by attempts whose exit statuses match.
complete() {
  await "the job is complete" is_gone
  [[ $(attempts) =~ ^$1$ ]] || die "the attempts ended with $(attempts), expected $1"
  same_run "$work/run" "$work/straight" $iterations
}

# processes_on NODE PROGRAM: its processes there; this namespace has none but the cluster's
processes_on() {
  local pid
  for pid in $(pgrep -x "$2"); do
    [ "$(nsenter --target "$pid" --uts hostname 2>/dev/null)" != "$1" ] || echo "$pid"
  done
}

case $case_name in
  srun_starts_the_ranks_with_any_kind_of_mpi)
    straight 24
    for mpi in none pmi2 pmix; do
      timeout $patience srun --nodes 2 --ntasks-per-node 4 --mpi $mpi "${run[@]}" \
        --train-iters 24 --save "$work/$mpi" >"$work/$mpi.out" 2>&1 || die "--mpi $mpi"
      grep -q '8 ranks from Slurm step' "$work/$mpi.out" || die "$mpi: started by something else"
      [ "$(grep -cE '^  node(1 +0-3 +0|2 +4-7 +1) +0-1 +0-1$' "$work/$mpi.out")" = 2 ] || die "$mpi: wrong hosts"
      same_run "$work/$mpi" "$work/straight" 24
    done
    ;;

  ranks_that_srun_spreads_over_the_nodes_are_grouped_by_node)
    straight 24
    timeout $patience srun --nodes 2 --ntasks-per-node 4 --distribution cyclic "${run[@]}" \
      --train-iters 24 --save "$work/cyclic" >"$work/cyclic.out" 2>&1 || die "--distribution cyclic"
    [ "$(grep -cE '^  node(1 +0-3.* 0, 2, 4, 6|2 +4-7.* 1, 3, 5, 7)$' "$work/cyclic.out")" = 2 ] ||
      die "the ranks were not numbered by node: $(grep -A4 Hosts "$work/cyclic.out")"
    same_run "$work/cyclic" "$work/straight" 24
    ;;

  a_job_stopped_by_scancel_is_requeued_and_goes_on)
    straight $iterations
    submit
    scancel --signal USR1 "$job"
    complete "75 0"
    ;;

  a_job_signalled_before_its_time_limit_is_requeued_and_goes_on)
    straight $iterations
    submit --time 2 --signal USR1@110
    # The controller looks at the time twice a minute. However fast the ranks are, they wait for it.
    mapfile -t ranks < <(pgrep -x swallow-train)
    kill -STOP "${ranks[@]}"
    await "Slurm signals the ranks" are_signalled "${ranks[@]}"
    kill -CONT "${ranks[@]}" 2>/dev/null || true
    complete "75 (75 )*0" # a slow machine may be told again
    ;;

  a_killed_rank_ends_the_attempt_and_the_next_goes_on)
    straight $iterations
    submit
    kill -KILL "$(processes_on node2 swallow-train | tail -n 1)"
    complete "137 0"
    ;;

  a_lost_node_ends_the_attempt_and_the_next_goes_on)
    straight $iterations
    submit
    mapfile -t lost < <(processes_on node2 slurmstepd && processes_on node2 swallow-train)
    ((${#lost[@]} == 5)) || die "on node2 are processes ${lost[*]}, expected slurmstepd and 4 ranks"
    kill -KILL "${lost[@]}"
    complete "76 0"
    ;;

  ranks_whose_slurmstepd_is_killed_come_to_the_end_and_the_job_ends)
    straight $iterations
    submit
    kill -KILL "$(processes_on node2 slurmstepd)"
    complete "0"
    ;;

  *)
    echo "unknown case $case_name" >&2
    exit 2
    ;;
esac
echo "passed: $case_name"
