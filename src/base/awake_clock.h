// A steady clock that stands still while this process does: a job that its scheduler suspends
// (SIGSTOP, SIGCONT) has not waited for a lost peer in the meantime. The kernel tells nobody of a
// suspension, so somebody must call tick() about once a second; where the next tick is missing for
// long, the process was not running. Without any tick it is std::chrono::steady_clock.
#pragma once

#include <chrono>

namespace swallow {

class AwakeClock {
 public:
  using duration = std::chrono::steady_clock::duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<AwakeClock>;
  static constexpr bool is_steady = true;

  /// The longest time between two ticks that counts in full.
  static constexpr std::chrono::seconds kLongestTick{3};

  static time_point now() noexcept;

  /// Called by one thread for the whole process, from start_ticking() to stop_ticking().
  static void start_ticking() noexcept { tick(); }
  static void tick() noexcept;
  static void stop_ticking() noexcept;
};

}  // namespace swallow
