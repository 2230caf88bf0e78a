#!/bin/bash
# Written by this command; to change the job, run it again:
#   swallow-train jobscript \
#     --scheduler slurm \
#     --modules 'cuda cudnn nccl' \
#     --preset 70b \
#     --data-path 9 data/ja_text_document 1 data/en_text_document \
#     --tokenizer-model ja.model \
#     --pretrained-checkpoint llama-2-70b-ja \
#     --save ckpt/70b
#SBATCH --job-name=swallow-70b
#SBATCH --nodes=32
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --exclusive
#SBATCH --mem=0
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.out
#SBATCH --signal=USR1@900

# A batch shell that is no login shell lacks the command.
if ! command -v module >/dev/null; then
  # shellcheck source=/dev/null
  source /etc/profile.d/modules.sh
fi
module load cuda cudnn nccl || exit

# Behind the modules, whose scripts may read variables that are not set.
set -u
job=$((${SLURM_RESTART_COUNT:-0} + 1))
export NCCL_DEBUG="${NCCL_DEBUG:-WARN}"
# The scheduler's warning is for the ranks, which save and stop: it must not end this script.
trap : USR1 USR2

# Ranks end each other; killed by srun, one would hide their exit code behind a signal's.
srun --kill-on-bad-exit=0 --wait=300 --cpu-bind=none \
  swallow-train \
  --preset 70b \
  --data-path 9 data/ja_text_document 1 data/en_text_document \
  --tokenizer-model ja.model \
  --pretrained-checkpoint llama-2-70b-ja \
  --save ckpt/70b \
  --backend cuda \
  --load ckpt/70b
status=$?

case $status in
  0) echo "job $job: done" ;;
  75 | 76 | 137) # stopped with its state saved; a peer was lost; a rank was killed
    if [ "$job" -ge 50 ]; then
      echo "job $job: exit code $status, the last of 50 jobs" >&2
    elif scontrol requeue "$SLURM_JOB_ID"; then
      echo "job $job: exit code $status, queued again"
    else
      echo "job $job: exit code $status, and queueing it again failed: submit it by hand" >&2
    fi
    ;;
  *) echo "job $job: exit code $status, which needs a person: not queued again" >&2 ;;
esac
exit "$status"
