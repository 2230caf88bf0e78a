// The time between two looks at something that a device or another thread is about to finish.
#pragma once

#include <algorithm>
#include <chrono>
#include <thread>

namespace swallow {

/// Yields at first, as most waits are short, then sleeps for longer and longer up to half a
/// millisecond, which is little beside a wait that long.
class Pause {
 public:
  void operator()() {
    if (num_yields_ < kYields) {
      ++num_yields_;
      return std::this_thread::yield();
    }
    std::this_thread::sleep_for(sleep_);
    sleep_ = std::min(2 * sleep_, std::chrono::microseconds(500));
  }
  /// Whether the wait has become long enough for checks that cost a system call.
  [[nodiscard]] bool is_long() const noexcept { return num_yields_ == kYields; }

 private:
  static constexpr int kYields = 200;
  int num_yields_ = 0;
  std::chrono::microseconds sleep_{10};
};

}  // namespace swallow
