// Clocks and power of a GPU while something is timed: rates without them cannot be compared.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "bench/timing.h"
#include "device/devices.h"

namespace swallow {

struct ClockSummary {
  Statistics sm_clock_mhz;
  Statistics power_watts;
  DeviceState last;
};

/// Reads the state from a thread of its own, four times a second, from construction on. Without a
/// GPU, or where its driver does not tell, there is nothing to read and no thread.
class ClockLog {
 public:
  explicit ClockLog(Device device);
  ClockLog(const ClockLog&) = delete;
  ClockLog& operator=(const ClockLog&) = delete;
  ~ClockLog();

  /// Ends the reading.
  [[nodiscard]] std::optional<ClockSummary> stop();

 private:
  void read();

  DeviceInfo device_;
  std::vector<DeviceState> states_;  // of the thread until it is joined
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace swallow
