// What a batch job asks its scheduler for, and the lines at the head of a job script that say so:
// Slurm's #SBATCH, #PBS as ABCI 3.0 takes it, and Grid Engine's #$ as ABCI 2.0 took it. No shell
// reads these lines, so nothing in them can be quoted: names are held to plain characters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace swallow {

enum class Scheduler : uint8_t { slurm, pbs, uge };

struct JobRequest {
  Scheduler scheduler = Scheduler::slurm;
  std::string name = "swallow-train";
  std::string account;  ///< who pays: Slurm's account, ABCI's group; may be empty
  std::string queue;    ///< Slurm's partition, which may be empty; PBS's queue; a resource of UGE's
  int64_t nodes = 1;
  int64_t ranks_per_node = 8;
  bool gpus = true;                  ///< a GPU for each rank
  int64_t time_limit_seconds = 0;    ///< more than the margin
  int64_t exit_margin_minutes = 15;  ///< the run saves and stops so long before the limit
};

/// Throws ConfigError naming `flag` if `name` is not 1 to 64 of the characters that every scheduler
/// takes in a name.
void check_job_name(std::string_view flag, std::string_view name);

/// "24:00:00"
std::string time_limit_text(int64_t seconds);

/// The directives, a line each, closed by a newline.
std::string job_directives(const JobRequest& job);

}  // namespace swallow
