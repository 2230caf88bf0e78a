#include "launch/job_directives.h"

#include "base/check.h"

namespace swallow {
namespace {

constexpr std::string_view kNameCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

std::string slurm_directives(const JobRequest& job) {
  std::string text = fmt::format("#SBATCH --job-name={}\n", job.name);
  if (!job.account.empty()) text += fmt::format("#SBATCH --account={}\n", job.account);
  if (!job.queue.empty()) text += fmt::format("#SBATCH --partition={}\n", job.queue);
  text += fmt::format("#SBATCH --nodes={}\n#SBATCH --ntasks-per-node={}\n", job.nodes,
                      job.ranks_per_node);
  if (job.gpus) text += fmt::format("#SBATCH --gpus-per-node={}\n", job.ranks_per_node);
  // Ranks share the whole of a node: its cores and, --mem=0, its memory.
  text += "#SBATCH --exclusive\n#SBATCH --mem=0\n";
  text += fmt::format("#SBATCH --time={}\n", time_limit_text(job.time_limit_seconds));
  text += "#SBATCH --requeue\n#SBATCH --open-mode=append\n#SBATCH --output=%x-%j.out\n";
  text += fmt::format("#SBATCH --signal=USR1@{}\n", job.exit_margin_minutes * 60);
  return text;
}

std::string pbs_directives(const JobRequest& job) {
  std::string text = fmt::format("#PBS -N {}\n", job.name);
  if (!job.account.empty()) text += fmt::format("#PBS -P {}\n", job.account);
  text += fmt::format("#PBS -q {}\n#PBS -l select={}:mpiprocs={}\n#PBS -l walltime={}\n", job.queue,
                      job.nodes, job.ranks_per_node, time_limit_text(job.time_limit_seconds));
  // Without -k the output appears only when the job has ended.
  return text + "#PBS -k oe\n#PBS -j oe\n#PBS -r y\n";
}

/// The group is no directive here: qsub takes it on its command line alone.
std::string uge_directives(const JobRequest& job) {
  return fmt::format("#$ -N {}\n#$ -l {}={}\n#$ -l h_rt={}\n#$ -cwd\n#$ -j y\n#$ -r y\n", job.name,
                     job.queue, job.nodes, time_limit_text(job.time_limit_seconds));
}

}  // namespace

void check_job_name(std::string_view flag, std::string_view name) {
  const bool good = !name.empty() && name.size() <= 64 &&
                    std::string_view("._-").find(name.front()) == std::string_view::npos &&
                    name.find_first_not_of(kNameCharacters) == std::string_view::npos;
  if (!good)
    throw ConfigError(
        "{} {}: expected at most 64 letters, digits, '.', '_' or '-', a letter or digit first",
        flag, name);
}

std::string time_limit_text(int64_t seconds) {
  return fmt::format("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

std::string job_directives(const JobRequest& job) {
  switch (job.scheduler) {
    case Scheduler::slurm:
      return slurm_directives(job);
    case Scheduler::pbs:
      return pbs_directives(job);
    case Scheduler::uge:
      return uge_directives(job);
  }
  return {};
}

}  // namespace swallow
