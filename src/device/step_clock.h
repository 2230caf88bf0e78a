// What a rank measures of its own steps: always how long it waits, and in some what it does when.
#pragma once

#include "device/stall_meter.h"
#include "device/timeline.h"

namespace swallow {

struct StepClock {
  explicit StepClock(Device device) : stalls(device), timeline(device) {}

  StallMeter stalls;
  Timeline timeline;
};

}  // namespace swallow
