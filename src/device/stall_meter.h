// How long a GPU's stream stood still at waits for other ranks, on the device's own clock: the
// host, which only queues, cannot see it. On the CPU, where nothing is queued, it measures nothing;
// there the calls themselves take the time (comm/call_ring.h).
#pragma once

#include <cstddef>
#include <vector>

#include "device/device.h"

namespace swallow {

class StallMeter {
 public:
  /// Makes its events here: measuring allocates nothing.
  explicit StallMeter(Device device);

  /// Between the two the stream is given nothing to do but to wait. Pairs do not nest. Costs two
  /// events.
  void begin(Stream& stream);
  void end(Stream& stream);

  /// Seconds between all begins and ends that the device has passed. Never waits.
  [[nodiscard]] double seconds();

 private:
  struct Pair {
    Event begin, end;
  };

  /// Adds up the pairs that the device has passed, from the oldest on.
  void collect();

  std::vector<Pair> pairs_;  // a ring; empty on the CPU
  size_t oldest_ = 0;        // number of the oldest pair that is not added up
  size_t next_ = 0;          // number of the next one
  double ms_ = 0;
};

}  // namespace swallow
