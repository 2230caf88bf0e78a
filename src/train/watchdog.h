// Ends a job that hangs. A thread that looks once a second whether the phase this rank is in lasts
// longer than it may, or whether the job has been given up by others while this rank does not
// notice; it tells rank 0 what the rank is about, and keeps AwakeClock ticking, so that a job that
// its scheduler suspends has not hung.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "base/awake_clock.h"
#include "comm/world.h"
#include "config/phase_limits.h"

namespace swallow {

class Watchdog {
 public:
  struct Options {
    PhaseLimits limits;
    /// How long this rank may go on once the job has been aborted.
    std::chrono::milliseconds grace{30'000};
    std::chrono::milliseconds interval{1'000};
    /// Ends the process; `reason` has been told to all ranks. Does not return in a real run.
    std::function<void(const std::string& reason)> expire;
  };

  /// Begins in the phase of the set-up. `world` outlives the watchdog. One per process: it is what
  /// keeps the clock.
  Watchdog(const World& world, Options options);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog();

  /// The rank begins something else; `iteration` is the step it is in or after, for messages. A
  /// step may last ten times as long as the longest so far, whatever the limit.
  void enter(Phase phase, int64_t iteration);

 private:
  using Clock = AwakeClock;

  void watch();
  [[nodiscard]] std::string place() const;
  [[nodiscard]] std::string overdue(bool waits) const;
  [[nodiscard]] std::string given_up();

  const World& world_;
  const Options options_;
  mutable std::mutex mutex_;  // of all below but the last two
  std::condition_variable wake_;
  bool stopped_ = false;
  Phase phase_ = Phase::setup;
  int64_t iteration_ = 0;
  Clock::time_point since_ = Clock::now();
  Clock::duration longest_step_{0};
  Clock::time_point aborted_at_ = Clock::time_point::max();  // as the thread has seen it
  std::thread thread_;
};

/// Prints the reason and leaves at once, past all destructors: some of them may wait for what
/// hangs. Exit status 76.
[[noreturn]] void end_process(const std::string& reason);

}  // namespace swallow
