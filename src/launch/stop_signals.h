// "Finish the step, save and stop", asked for by a signal: SIGTERM (Slurm, PBS, qdel), SIGUSR1,
// SIGUSR2 (schedulers' warnings before the time limit) and SIGINT (Ctrl-C). The signals are blocked
// and read from a descriptor, so nothing runs in a handler. A second SIGINT ends the process at
// once.
#pragma once

namespace swallow {

class StopSignals {
 public:
  /// Blocks the signals in this thread and those it will start: to be made before any other thread.
  StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  /// SIGTERM, SIGUSR1 and SIGUSR2 stay blocked: ranks are signalled at different times, and one
  /// that comes after the run has stopped must not turn its exit code into a signal's.
  ~StopSignals();

  /// The first signal that has come so far, or 0. Does not wait.
  [[nodiscard]] int received();

  /// Readable as long as a signal has come that received() has not been asked for.
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  int fd_ = -1;
  int first_ = 0;
};

}  // namespace swallow
