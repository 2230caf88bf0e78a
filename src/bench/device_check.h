// One rank's device by itself: how fast it multiplies, moves memory and talks to its host, and
// whether it gives the same bits every time. The same work with the same numbers on every rank.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "bench/reading.h"
#include "device/device.h"

namespace swallow {

struct DeviceCheck {
  std::vector<Reading> readings;
  std::vector<WrongResult> wrong;
  /// By what was computed: the content hash of the result, which devices of one kind share.
  std::map<std::string, std::string> hashes;
};

/// Takes some five seconds. `rank` is for the readings. `begin_together` is called before each
/// measurement: ranks of a host share cores and memory, and one that measures while the others have
/// done so already would seem fast.
[[nodiscard]] DeviceCheck check_device(Stream& stream, int rank,
                                       const std::function<void()>& begin_together);

}  // namespace swallow
