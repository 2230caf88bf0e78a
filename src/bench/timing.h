// Times on the clock of the device: events on a GPU, where launches return at once, and the steady
// clock on a CPU.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "device/device.h"

namespace swallow {

/// Of repeated measurements, in their unit.
struct Statistics {
  int64_t count = 0;
  double median = 0;
  double min = 0;
  double max = 0;

  /// (max - min) / median: what a difference between two runs must exceed.
  [[nodiscard]] double spread() const noexcept { return median > 0 ? (max - min) / median : 0; }
};

[[nodiscard]] Statistics summarise(std::vector<double> values);

/// Device time between two points of a stream's work.
class Stopwatch {
 public:
  explicit Stopwatch(Stream& stream);
  void start();
  /// Milliseconds since start(); waits for the work launched in between.
  [[nodiscard]] double stop_ms();

 private:
  Stream& stream_;
  Event begin_, end_;
  std::chrono::steady_clock::time_point host_begin_;
};

/// Milliseconds of one call of `work`, which gets the number of the call. Calls are timed in groups
/// of at least a millisecond or so, so that short kernels are not measured by the gaps between
/// events; one group warms up, `repeats` follow.
[[nodiscard]] Statistics time_calls(Stream& stream, int64_t repeats,
                                    const std::function<void(int64_t call)>& work);

}  // namespace swallow
