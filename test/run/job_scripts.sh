#!/usr/bin/env bash
# Job scripts that `swallow-train jobscript` writes, run by bash as a scheduler would: srun, mpirun,
# scontrol, qsub and module are stand-ins that record their arguments and start the real binary on
# this machine, or end with a code that the case asks for.
#   test/run/job_scripts.sh BINARY CASE
set -euo pipefail

binary=$(realpath "$1")
case_name=$2
root=$(realpath "$(dirname "$0")/../..")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
schedulers="slurm pbs uge"

die() {
  echo "FAILED: $*" >&2
  tail -n 30 "$work"/*.out "$work"/*.log >&2 || true
  exit 1
}

# ---- stand-ins

mkdir "$work/bin" "$work/run"
export STANDIN_FOLDER=$work BINARY=$binary
ln -s "$binary" "$work/bin/swallow-train"
standin() { # standin NAME: its body is the standard input
  { echo '#!/usr/bin/env bash'; cat; } >"$work/bin/$1"
  chmod +x "$work/bin/$1"
}

# A launcher drops its own options and runs the rest with as many ranks as it was asked for. Where
# the case has left exit codes, it ends with the next of them instead.
launcher() { # launcher NAME: what sets `ranks` and shifts to the program is the standard input
  {
    cat
    cat <<'END'
printf '%s\0' "$@" >"$STANDIN_FOLDER/words"
env | grep -E '^(NCCL_|SWALLOW_)' | sort >"$STANDIN_FOLDER/environment"
if [ -s "$STANDIN_FOLDER/codes" ]; then
  code=$(head -n 1 "$STANDIN_FOLDER/codes")
  sed -i 1d "$STANDIN_FOLDER/codes"
  exit "$code"
fi
program=$1
shift
"$program" --nproc "$ranks" "$@" >>"$STANDIN_FOLDER/training.log" 2>&1 &
child=$!
trap 'kill -USR1 $child' USR1
if [ -e "$STANDIN_FOLDER/warn" ]; then # the scheduler's warning, once, in mid-run
  rm "$STANDIN_FOLDER/warn"
  until grep -q ' 3/' "$STANDIN_FOLDER/training.log"; do
    kill -0 $child || break
    sleep 0.05
  done
  kill -USR1 $child
fi
status=0
wait $child || status=$?
exit $status
END
  } | standin "$1"
}
launcher srun <<'E2'
ranks=$((SLURM_NNODES * SLURM_NTASKS_PER_NODE))
while [[ $1 == -* ]]; do shift; done
E2
launcher mpirun <<'E2'
ranks=
while [[ $1 == -* ]]; do
  case $1 in
    -np) ranks=$2; shift 2 ;;
    -map-by | -bind-to) shift 2 ;;
    -hostfile) cp "$2" "$STANDIN_FOLDER/hostfile"; shift 2 ;;
    -x) echo "$2" >>"$STANDIN_FOLDER/exports"; shift 2 ;;
    *) echo "mpirun: unknown option $1" >&2; exit 99 ;;
  esac
done
E2
for name in scontrol qsub; do
  standin $name <<'E2'
printf '%s\n' "${0##*/} $*" >>"$STANDIN_FOLDER/queued"
exit "$(cat "$STANDIN_FOLDER/queue_code" 2>/dev/null || echo 0)"
E2
done
standin module <<'E2'
printf '%s\n' "$*" >>"$STANDIN_FOLDER/modules"
E2
# Nothing of this machine's own scheduler or MPI may come in between.
export PATH=$work/bin:$PATH

# ---- writing and running

write_script() { # write_script SCHEDULER ARGUMENT...: to job.sh
  local scheduler=$1
  shift
  "$binary" jobscript --scheduler "$scheduler" --output "$work/job.sh" --overwrite "$@" \
    2>"$work/write.out" || die "jobscript --scheduler $scheduler $*"
}

tiny=(--preset tiny --mock-data --gpus-per-node 2 --backend cpu --cpu-threads 1 --eval-iters 0)

# run_job SCHEDULER NUMBER: the script as number NUMBER of its chain, from the folder run/; its exit
# code is $status.
run_job() {
  local scheduler=$1 number=$2 environment=()
  printf 'host-a\nhost-b\n' >"$work/hosts"
  case $scheduler in
    slurm) environment=(SLURM_JOB_ID=4711 SLURM_NNODES=1 SLURM_NTASKS_PER_NODE=2)
      [ "$number" = 1 ] || environment+=("SLURM_RESTART_COUNT=$((number - 1))") ;;
    pbs) environment=("PBS_O_WORKDIR=$work/run" "PBS_NODEFILE=$work/hosts") ;;
    uge) environment=("SGE_JOB_HOSTLIST=$work/hosts") ;;
  esac
  if [ "$scheduler" != slurm ] && [ "$number" != 1 ]; then
    environment+=("SWALLOW_CHAIN_JOB=$number")
  fi
  status=0
  (cd "$work/run" && env "${environment[@]}" bash "$work/job.sh") >"$work/job.out" 2>&1 ||
    status=$?
}

queued() { cat "$work/queued" 2>/dev/null || true; }

again() { # again SCHEDULER NUMBER: what queues job NUMBER
  case $1 in
    slurm) echo "scontrol requeue 4711" ;;
    *) echo "qsub -v SWALLOW_CHAIN_JOB=$2 $work/job.sh" ;;
  esac
}

end_with() { # end_with CODE...: what the next launches end with
  printf '%s\n' "$@" >"$work/codes"
  rm -f "$work/queued"
}

said() { grep -qF -- "$1" "$work/job.out" || die "the job did not say '$1'"; }

tensors() { # tensors FOLDER: one hash over the tensor files of the last checkpoint
  (cd "$1/iter_$(printf '%07d' "$2")" && sha256sum -- *.safetensors | sha256sum)
}

case $case_name in
  the_written_examples_are_the_command_s_output)
    for name in slurm abci-pbs grid-engine; do
      script=$root/scripts/$name-70b.sh
      command=$(sed -n '/^#   /s/^# *//p' "$script") # the comment at its head, continued lines
      (cd "$work/run" && eval "$command") >"$work/written.out" || die "$command"
      diff "$script" "$work/written.out" >&2 || die "$script is not what its command writes"
    done
    ;;

  shellcheck_has_nothing_to_say)
    command -v shellcheck >/dev/null || die "shellcheck is not installed"
    shellcheck "$root"/scripts/{slurm,abci-pbs,grid-engine}-70b.sh || die "the examples"
    for scheduler in $schedulers; do
      write_script "$scheduler" "${tiny[@]}" --save "it's \$HOME" --wandb-name $'a\nb\t"c"'
      shellcheck --exclude=SC2016 "$work/job.sh" || die "$scheduler" # a literal $ is meant
    done
    ;;

  exit_codes_decide_whether_a_job_is_queued_again)
    for scheduler in $schedulers; do
      write_script "$scheduler" "${tiny[@]}" --save ckpt
      for code in 75 76 137; do
        end_with $code
        run_job "$scheduler" 1
        [ $status = $code ] || die "$scheduler: exit $status, expected $code"
        [ "$(queued)" = "$(again "$scheduler" 2)" ] || die "$scheduler: $code queued '$(queued)'"
        said "exit code $code, queued again"
      done
      for code in 0 1 2 3 4 16 71 74 78; do
        end_with $code
        run_job "$scheduler" 1
        [ $status = $code ] || die "$scheduler: exit $status, expected $code"
        [ -z "$(queued)" ] || die "$scheduler: $code queued '$(queued)'"
        [ $code = 0 ] || said "exit code $code, which needs a person"
      done
    done
    write_script uge "${tiny[@]}" --save ckpt --group grp
    end_with 75
    run_job uge 1
    [ "$(queued)" = "qsub -g grp -v SWALLOW_CHAIN_JOB=2 $work/job.sh" ] || die "group: '$(queued)'"
    ;;

  a_chain_ends_after_max_jobs)
    for scheduler in $schedulers; do
      write_script "$scheduler" "${tiny[@]}" --save ckpt --max-jobs 3
      for job in 1 2 3; do
        end_with 75
        run_job "$scheduler" $job
        [ $status = 75 ] || die "$scheduler: exit $status of job $job"
        expected=$(again "$scheduler" $((job + 1)))
        [ $job != 3 ] || expected=
        [ "$(queued)" = "$expected" ] || die "$scheduler: job $job queued '$(queued)'"
      done
      said "the last of 3 jobs"
    done
    ;;

  a_refused_requeue_is_told_and_keeps_the_exit_code)
    echo 5 >"$work/queue_code"
    for scheduler in $schedulers; do
      write_script "$scheduler" "${tiny[@]}" --save ckpt
      end_with 75
      run_job "$scheduler" 1
      [ $status = 75 ] || die "$scheduler: exit $status"
      said "queueing it again failed"
    done
    ;;

  values_arrive_as_they_were_given)
    save=$'it\'s "my" $HOME `run` *'
    name=$'two\nlines\t\\ \'"$x"\n#PBS -q other'
    for scheduler in $schedulers; do
      write_script "$scheduler" "${tiny[@]}" --save "$save" --wandb-name "$name" \
        --binary "$work/bin/swallow-train" --modules "cuda/13.0 hpcx/2.20"
      end_with 0
      run_job "$scheduler" 1
      expected=("$work/bin/swallow-train" --preset tiny --mock-data --backend cpu --cpu-threads 1
        --eval-iters 0 --save "$save" --wandb-name "$name" --load "$save" --load-or-init)
      [ "$scheduler" = slurm ] || expected+=(--exit-duration-in-mins 1425)
      printf '%s\0' "${expected[@]}" | cmp - "$work/words" || die "$scheduler: other words"
      [ "$(cat "$work/modules")" = "load cuda/13.0 hpcx/2.20" ] || die "$scheduler: modules"
      rm "$work/modules"
      grep -qx 'NCCL_DEBUG=WARN' "$work/environment" || die "$scheduler: NCCL_DEBUG"
    done
    ;;

  ranks_elsewhere_get_hosts_and_environment)
    for scheduler in pbs uge; do
      write_script "$scheduler" "${tiny[@]}" --save ckpt
      end_with 0
      rm -f "$work/exports"
      LD_LIBRARY_PATH=/x NCCL_IB_TC=106 SWALLOW_SECRET=$(printf '%032d' 7) run_job "$scheduler" 1
      [ $status = 0 ] || die "$scheduler: exit $status"
      for name in PATH LD_LIBRARY_PATH NCCL_IB_TC NCCL_DEBUG SWALLOW_SECRET; do
        grep -qx "$name" "$work/exports" || die "$scheduler: $name is not passed on"
      done
      case $scheduler in
        pbs) hosts=$(cat "$work/hosts") ;;
        uge) hosts=$'host-a slots=2\nhost-b slots=2' ;;
      esac
      [ "$(cat "$work/hostfile")" = "$hosts" ] || die "$scheduler: hosts"
    done
    ;;

  a_warned_job_goes_on_in_the_next_with_the_same_bits)
    (cd "$work/run" && "$binary" --nproc 2 --preset tiny --mock-data --cpu-threads 1 \
      --eval-iters 0 --train-iters 60 --save straight) >"$work/straight.out" 2>&1 || die "straight"
    for scheduler in $schedulers; do
      write_script "$scheduler" "${tiny[@]}" --train-iters 60 --save "$scheduler run"
      rm -f "$work/queued" "$work/codes" "$work/training.log"
      touch "$work/warn" "$work/training.log"
      run_job "$scheduler" 1
      [ $status = 75 ] || die "$scheduler: exit $status of the warned job"
      [ "$(queued)" = "$(again "$scheduler" 2)" ] || die "$scheduler: queued '$(queued)'"
      rm "$work/queued"
      run_job "$scheduler" 2
      [ $status = 0 ] || die "$scheduler: exit $status of the second job"
      [ -z "$(queued)" ] || die "$scheduler: a finished job queued '$(queued)'"
      [ "$(tensors "$work/run/$scheduler run" 60)" = "$(tensors "$work/run/straight" 60)" ] ||
        die "$scheduler: the chain's bits differ from those of one run"
    done
    ;;

  what_cannot_start_or_go_on_is_not_written)
    refused() { # refused TEXT ARGUMENT...
      local text=$1 status=0
      shift
      "$binary" jobscript --output "$work/refused.sh" "$@" >"$work/refused.out" 2>&1 || status=$?
      [ $status = 2 ] || die "$*: exit $status, expected 2"
      grep -qF -- "$text" "$work/refused.out" || die "$*: no '$text' in the message"
      [ ! -e "$work/refused.sh" ] || die "$*: a script is written"
    }
    good=(--scheduler slurm --preset 70b --mock-data --save ckpt)
    refused "slurm, pbs or uge" --preset 70b --mock-data --save ckpt
    refused "--scheduler sge" --scheduler sge --preset 70b --mock-data --save ckpt
    refused "240 ranks" "${good[@]}" --nodes 30
    refused "--save" --scheduler slurm --preset 70b --mock-data
    refused "no data" --scheduler slurm --preset 70b --save ckpt
    refused "did you mean --max-jobs" "${good[@]}" --max-job 3
    refused "--lr-warmup-iters" "${good[@]}" --train-iters 10
    refused "--time 1:00" "${good[@]}" --time 1:00
    refused "--exit-margin-in-mins 15" "${good[@]}" --time 00:15:59
    refused "--partition" "${good[@]}" --queue x
    refused "--group" --scheduler pbs --preset 70b --mock-data --save ckpt --account x
    refused "--job-name a b" "${good[@]}" --job-name "a b"
    refused "--pretrained-checkpoint llama" "${good[@]}" --load llama
    refused "--finetune" "${good[@]}" --load ckpt --no-load-optim
    refused "--nproc" "${good[@]}" --nproc 2
    echo mine >"$work/mine.sh"
    status=0
    "$binary" jobscript "${good[@]}" --output "$work/mine.sh" 2>"$work/mine.out" || status=$?
    [ $status = 2 ] || die "an existing file: exit $status"
    grep -q -- --overwrite "$work/mine.out" || die "an existing file: no hint at --overwrite"
    [ "$(cat "$work/mine.sh")" = mine ] || die "an existing file is replaced unasked"
    "$binary" jobscript "${good[@]}" --output "$work/mine.sh" --overwrite || die "--overwrite"
    "$binary" jobscript "${good[@]}" | cmp - "$work/mine.sh" || die "a file differs from the output"
    ;;

  *)
    echo "unknown case $case_name" >&2
    exit 2
    ;;
esac
echo "passed: $case_name"
