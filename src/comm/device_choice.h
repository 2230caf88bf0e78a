// Which GPU a rank computes on, and whether two ranks may share one. Integers and names only, so
// that every case can be tested without a GPU.
#pragma once

#include <string>
#include <vector>

#include "comm/world.h"

namespace swallow {

/// A rank among those of its host, and the GPUs that it sees there.
struct LocalPlace {
  int rank = 0;
  int size = 1;
  int num_visible = 0;
};

/// One visible GPU is the rank's own, as the launcher gave it to the rank; of several it takes the
/// one with its number. With CommBackend::host or sockets ranks take turns when there are fewer.
/// Throws ConfigError when there is none, or too few for one each.
[[nodiscard]] Device choose_device(const LocalPlace& place, CommBackend backend);

/// Throws ConfigError naming the ranks when two have the same GPU. `uuid_of_rank`: [world size]
void refuse_shared_devices(const std::vector<std::string>& uuid_of_rank);

}  // namespace swallow
