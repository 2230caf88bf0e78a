// `swallow-train --nproc N`: starts N ranks on this machine, with no MPI and no scheduler. Each is
// a copy of this program that finds its place in SWALLOW_* variables; the parent passes their
// output on and sees that all end when one fails. It must be called before the process has threads.
#pragma once

#include <chrono>
#include <span>
#include <string>

namespace swallow {

struct LocalLaunchOptions {
  std::string program = "/proc/self/exe";
  std::chrono::milliseconds grace{10'000};  // between asking the others to end and killing them
  int stdout_fd = 1;                        // where the ranks' output goes
  int stderr_fd = 2;
};

/// Runs `program` nproc times with arguments `argv` (argv[0] included) and waits for all. Every
/// line of their output is passed on whole and, if nproc > 1, headed by "[rank] ". SIGINT, SIGTERM,
/// SIGUSR1 and SIGUSR2 are forwarded to every rank. When a rank fails (any status but 0 and 75, or
/// a signal) the others get SIGTERM, and SIGKILL after `grace`; when this process is killed they
/// are killed. Standard input is empty for them.
///
/// Returns the status of the first rank that failed (128 + number for a signal), unless that is 76,
/// a lost peer, and the peer's own status follows; else 75 if a rank stopped with its state saved,
/// else 0. Throws ConfigError for nproc outside 1..1024, and ResourceError when processes or
/// descriptors do not suffice.
int launch_local(int nproc, std::span<char* const> argv, const LocalLaunchOptions& options = {});

}  // namespace swallow
