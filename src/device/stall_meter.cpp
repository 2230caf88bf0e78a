#include "device/stall_meter.h"

namespace swallow {

namespace {

/// More than the host is ever ahead of a GPU, which it waits for several times a step.
constexpr size_t kPairs = 1024;

}  // namespace

StallMeter::StallMeter(Device device) {
  if (device.kind == DeviceKind::cpu) return;
  pairs_.reserve(kPairs);
  for (size_t i = 0; i < kPairs; ++i) pairs_.push_back({Event(device), Event(device)});
}

void StallMeter::begin(Stream& stream) {
  if (pairs_.empty()) return;
  if (next_ - oldest_ == kPairs) collect();
  if (next_ - oldest_ == kPairs) ++oldest_;  // lost, rather than waited for
  pairs_[next_ % kPairs].begin.record(stream);
}

void StallMeter::end(Stream& stream) {
  if (pairs_.empty()) return;
  pairs_[next_++ % kPairs].end.record(stream);
}

void StallMeter::collect() {
  for (; oldest_ < next_; ++oldest_) {
    const Pair& pair = pairs_[oldest_ % kPairs];
    if (!pair.end.query()) return;
    ms_ += pair.end.ms_since(pair.begin);
  }
}

double StallMeter::seconds() {
  collect();
  return ms_ * 1e-3;
}

}  // namespace swallow
