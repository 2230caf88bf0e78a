#include "bench/clock_log.h"

#include <chrono>

namespace swallow {

ClockLog::ClockLog(Device device) {
  for (const DeviceInfo& info : list_devices())
    if (info.device == device) device_ = info;
  if (device_.pci_bus_id.empty()) return;
  states_.push_back(read_device_state(device_));
  if (states_.front().driver.empty())
    states_.clear();
  else
    thread_ = std::thread([this] { read(); });
}

ClockLog::~ClockLog() {
  static_cast<void>(stop());
}

void ClockLog::read() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, std::chrono::milliseconds(250), [this] { return stopping_; }))
    states_.push_back(read_device_state(device_));
}

std::optional<ClockSummary> ClockLog::stop() {
  if (thread_.joinable()) {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }
  if (states_.empty()) return std::nullopt;
  // The first state is that before the work, and counts only where there is no other.
  std::vector<double> clocks;
  std::vector<double> power;
  for (size_t i = states_.size() > 1 ? 1 : 0; i < states_.size(); ++i) {
    clocks.push_back(states_[i].sm_clock_mhz);
    power.push_back(states_[i].power_watts);
  }
  return ClockSummary{summarise(std::move(clocks)), summarise(std::move(power)), states_.back()};
}

}  // namespace swallow
