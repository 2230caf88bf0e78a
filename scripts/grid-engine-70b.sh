#!/bin/bash
# Written by this command; to change the job, run it again:
#   swallow-train jobscript \
#     --scheduler uge \
#     --group my-group \
#     --time 72:00:00 \
#     --modules 'cuda cudnn nccl hpcx/2.12' \
#     --preset 70b \
#     --data-path 9 data/ja_text_document 1 data/en_text_document \
#     --tokenizer-model ja.model \
#     --pretrained-checkpoint llama-2-70b-ja \
#     --save ckpt/70b
# Submit it as: qsub -g my-group FILE
#$ -N swallow-70b
#$ -l rt_AF=32
#$ -l h_rt=72:00:00
#$ -cwd
#$ -j y
#$ -r y

# A batch shell that is no login shell lacks the command.
if ! command -v module >/dev/null; then
  # shellcheck source=/dev/null
  source /etc/profile.d/modules.sh
fi
module load cuda cudnn nccl hpcx/2.12 || exit

# Behind the modules, whose scripts may read variables that are not set.
set -u
job=${SWALLOW_CHAIN_JOB:-1}
export NCCL_DEBUG="${NCCL_DEBUG:-WARN}"
# The scheduler's warning is for the ranks, which save and stop: it must not end this script.
trap : USR1 USR2

# What ranks on other hosts need of this environment.
exports=()
for name in PATH LD_LIBRARY_PATH "${!NCCL_@}" "${!SWALLOW_@}"; do
  [ -z "${!name-}" ] || exports+=(-x "$name")
done
hostfile=$(mktemp) || exit
trap 'rm -f "$hostfile"' EXIT
while read -r host _; do
  echo "$host slots=8"
done <"$SGE_JOB_HOSTLIST" >"$hostfile"
mpirun -np 256 -map-by ppr:8:node -bind-to none \
  -hostfile "$hostfile" "${exports[@]}" \
  swallow-train \
  --preset 70b \
  --data-path 9 data/ja_text_document 1 data/en_text_document \
  --tokenizer-model ja.model \
  --pretrained-checkpoint llama-2-70b-ja \
  --save ckpt/70b \
  --backend cuda \
  --load ckpt/70b \
  --exit-duration-in-mins 4305
status=$?

case $status in
  0) echo "job $job: done" ;;
  75 | 76 | 137) # stopped with its state saved; a peer was lost; a rank was killed
    if [ "$job" -ge 50 ]; then
      echo "job $job: exit code $status, the last of 50 jobs" >&2
    elif qsub -g my-group -v SWALLOW_CHAIN_JOB=$((job + 1)) "$0"; then
      echo "job $job: exit code $status, queued again"
    else
      echo "job $job: exit code $status, and queueing it again failed: submit it by hand" >&2
    fi
    ;;
  *) echo "job $job: exit code $status, which needs a person: not queued again" >&2 ;;
esac
exit "$status"
