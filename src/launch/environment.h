// Who this process is in its job, read from what the launcher left in the environment. No
// launcher's library is linked: rank, size and where rank 0 is are all that the rendezvous needs.
// The launcher nearest the process wins, because an outer one's variables describe the inner one's
// daemon.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace swallow {

struct LaunchEnvironment {
  struct Variable {
    std::string name;
    std::string value;
  };

  int rank = 0;
  int world_size = 1;
  int local_rank = -1;  // rank within its host; -1: the launcher does not say
  int local_size = -1;  // ranks on its host; -1: the launcher does not say
  std::string source;   // "Slurm step", "Open MPI", "Hydra", "torchrun", "single process", ...
  std::string run_id;   // the same on all ranks of a job, different in other jobs as far as known

  std::string rendezvous_host;           // where rank 0 is; empty: nothing says so
  std::vector<std::string> other_hosts;  // further addresses that may be rank 0's
  int rendezvous_port = 0;               // the first of 16 to try; 0 for a single process
  int listen_fd = -1;                    // rank 0 only: a listening socket made by the launcher

  /// When the scheduler will end the job, where it says so.
  std::optional<std::chrono::system_clock::time_point> job_end;

  std::string notice;          // something a person should be told, or empty
  std::vector<Variable> used;  // the variables that decided
};

/// getenv, or a fake of it.
using EnvironmentLookup = std::function<std::optional<std::string>(std::string_view)>;

/// Launchers in order of precedence: swallow-train --nproc (SWALLOW_*), Open MPI, Hydra, torchrun,
/// a Slurm step, bare RANK and WORLD_SIZE, bare PMI_RANK and PMI_SIZE, else a single process.
/// `rendezvous` is the value of --rendezvous (host, host:port or [v6]:port) or empty; it beats
/// every variable. Reads the files that PBS_NODEFILE and SGE_JOB_HOSTLIST name. Throws ConfigError
/// naming the variables when one is no number, out of range, missing beside its partner, or
/// contradicts it.
LaunchEnvironment resolve_environment(const EnvironmentLookup& lookup,
                                      std::string_view rendezvous = {});

/// The lookup that reads this process's environment.
EnvironmentLookup process_environment();

}  // namespace swallow
