#include "base/awake_clock.h"

#include <algorithm>
#include <atomic>

namespace swallow {

namespace {

using Steady = std::chrono::steady_clock;

constexpr Steady::rep kNever = -1;

// Both change together, but a reader between the two only sees a suspension a little longer or
// shorter than it was.
std::atomic<Steady::rep> last_tick = kNever;  // of the steady clock
std::atomic<Steady::rep> suspended = 0;       // in all

constexpr Steady::rep kLongest = Steady::duration(AwakeClock::kLongestTick).count();

Steady::rep steady_now() noexcept {
  return Steady::now().time_since_epoch().count();
}

/// Of the time since the last tick, what the process was not running.
Steady::rep missing(Steady::rep now) noexcept {
  const Steady::rep last = last_tick.load(std::memory_order_acquire);
  return last == kNever ? 0 : std::max<Steady::rep>(0, now - last - kLongest);
}

}  // namespace

AwakeClock::time_point AwakeClock::now() noexcept {
  const Steady::rep now = steady_now();
  const Steady::rep before = suspended.load(std::memory_order_acquire);
  return time_point(duration(now - before - missing(now)));
}

void AwakeClock::tick() noexcept {
  const Steady::rep now = steady_now();
  suspended.fetch_add(missing(now), std::memory_order_acq_rel);
  last_tick.store(now, std::memory_order_release);
}

void AwakeClock::stop_ticking() noexcept {
  tick();
  last_tick.store(kNever, std::memory_order_release);
}

}  // namespace swallow
