#include "launch/job_script.h"

#include <string_view>

#include "base/check.h"
#include "launch/shell_words.h"

namespace swallow {
namespace {

std::string head(const JobScript& script) {
  std::string text =
      "#!/bin/bash\n# Written by this command; to change the job, run it again:\n#   ";
  text += shell_command(script.written_by, "#     ");
  text += "\n";
  const JobRequest& job = script.request;
  if (job.scheduler == Scheduler::uge && !job.account.empty())
    text += fmt::format("# Submit it as: qsub -g {} FILE\n", shell_word(job.account));
  return text + job_directives(job) + "\n";
}

/// The folder it was submitted from: PBS alone starts a job elsewhere.
std::string working_folder(Scheduler scheduler) {
  return scheduler == Scheduler::pbs ? "cd \"$PBS_O_WORKDIR\" || exit\n\n" : "";
}

std::string load_modules(const std::vector<std::string>& modules) {
  if (modules.empty()) return {};
  return "# A batch shell that is no login shell lacks the command.\n"
         "if ! command -v module >/dev/null; then\n"
         "  # shellcheck source=/dev/null\n"
         "  source /etc/profile.d/modules.sh\n"
         "fi\n" +
         fmt::format("module load {} || exit\n\n", shell_line(modules));
}

/// `job` is the number of this job in its chain.
std::string count_jobs(Scheduler scheduler) {
  const std::string_view count = scheduler == Scheduler::slurm
                                     ? "job=$((${SLURM_RESTART_COUNT:-0} + 1))"
                                     : "job=${SWALLOW_CHAIN_JOB:-1}";
  return fmt::format(
      "# Behind the modules, whose scripts may read variables that are not set.\n"
      "set -u\n"
      "{}\n"
      "export NCCL_DEBUG=\"${{NCCL_DEBUG:-WARN}}\"\n"
      "# The scheduler's warning is for the ranks, which save and stop: it must not end this "
      "script.\n"
      "trap : USR1 USR2\n\n",
      count);
}

/// Open MPI starts ranks on other hosts without this shell's environment.
constexpr std::string_view kExports =
    "# What ranks on other hosts need of this environment.\n"
    "exports=()\n"
    "for name in PATH LD_LIBRARY_PATH \"${!NCCL_@}\" \"${!SWALLOW_@}\"; do\n"
    "  [ -z \"${!name-}\" ] || exports+=(-x \"$name\")\n"
    "done\n";

constexpr std::string_view kHostFile =
    "hostfile=$(mktemp) || exit\n"
    "trap 'rm -f \"$hostfile\"' EXIT\n"
    "while read -r host _; do\n"
    "  echo \"$host slots={}\"\n"
    "done <\"$SGE_JOB_HOSTLIST\" >\"$hostfile\"\n";

/// Leaves the exit code of the ranks in `status`.
std::string launch(const JobScript& script) {
  const JobRequest& job = script.request;
  const std::string command = shell_command(script.command, "  ");
  if (job.scheduler == Scheduler::slurm)
    return fmt::format(
        "# Ranks end each other; killed by srun, one would hide their exit code behind a "
        "signal's.\n"
        "srun --kill-on-bad-exit=0 --wait=300 --cpu-bind=none \\\n"
        "  {}\nstatus=$?\n\n",
        command);
  const bool uge = job.scheduler == Scheduler::uge;
  std::string text(kExports);
  if (uge) text += fmt::format(fmt::runtime(kHostFile), job.ranks_per_node);
  return text + fmt::format(
                    "mpirun -np {} -map-by ppr:{}:node -bind-to none \\\n"
                    "  -hostfile \"{}\" \"${{exports[@]}}\" \\\n"
                    "  {}\nstatus=$?\n\n",
                    job.nodes * job.ranks_per_node, job.ranks_per_node,
                    uge ? "$hostfile" : "$PBS_NODEFILE", command);
}

std::string queue_again(const JobRequest& job) {
  if (job.scheduler == Scheduler::slurm) return "scontrol requeue \"$SLURM_JOB_ID\"";
  // $0 is the scheduler's own copy of this script.
  const bool group = job.scheduler == Scheduler::uge && !job.account.empty();
  return fmt::format("qsub {}-v SWALLOW_CHAIN_JOB=$((job + 1)) \"$0\"",
                     group ? fmt::format("-g {} ", shell_word(job.account)) : "");
}

std::string decide(const JobScript& script) {
  return fmt::format(
      "case $status in\n"
      "  0) echo \"job $job: done\" ;;\n"
      "  {} | {} | 137) # stopped with its state saved; a peer was lost; a rank was killed\n"
      "    if [ \"$job\" -ge {} ]; then\n"
      "      echo \"job $job: exit code $status, the last of {} jobs\" >&2\n"
      "    elif {}; then\n"
      "      echo \"job $job: exit code $status, queued again\"\n"
      "    else\n"
      "      echo \"job $job: exit code $status, and queueing it again failed: submit it by hand\" "
      ">&2\n"
      "    fi\n"
      "    ;;\n"
      "  *) echo \"job $job: exit code $status, which needs a person: not queued again\" >&2 ;;\n"
      "esac\n"
      "exit \"$status\"\n",
      static_cast<int>(ExitCode::stopped), static_cast<int>(ExitCode::peer_lost), script.max_jobs,
      script.max_jobs, queue_again(script.request));
}

}  // namespace

std::string job_script_text(const JobScript& script) {
  const Scheduler scheduler = script.request.scheduler;
  return head(script) + working_folder(scheduler) + load_modules(script.modules) +
         count_jobs(scheduler) + launch(script) + decide(script);
}

}  // namespace swallow
