// What a rank measures of its own steps: always how long it waits and for what, and in some what it
// does when.
#pragma once

#include "device/stall_meter.h"
#include "device/timeline.h"

namespace swallow {

struct StepClock {
  explicit StepClock(Device device) : stalls(device), timeline(device) {}

  StallMeter stalls;        // at other ranks
  double data_seconds = 0;  // that the stream had nothing to do while a micro-batch was fetched
  Timeline timeline;
};

}  // namespace swallow
