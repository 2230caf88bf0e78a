// Which checkpoints of a run stay on the disk.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace swallow {

/// With both, a checkpoint that either keeps stays.
struct Retention {
  int64_t interval = 0;        // keep multiples of it and the newest; 0: no such rule
  int64_t most_recent_k = -1;  // keep this many of the newest; -1: no such rule
};

/// Of `iterations`, those that go after `newest` was committed. Later ones, which `newest` has gone
/// back behind, stay. Iterations for which `is_whole` is false are not counted among the newest:
/// they go when as many whole ones as are to be kept are newer. `newest` itself never goes.
std::vector<int64_t> expired_iterations(std::vector<int64_t> iterations, int64_t newest,
                                        const Retention& retention,
                                        const std::function<bool(int64_t)>& is_whole);

/// Deletes what has expired in `folder`. Not collective: for one rank, when `newest` is committed.
/// Throws IoError or CheckpointError when a folder cannot be deleted or read; the next call tries
/// it again.
void remove_expired(const std::string& folder, int64_t newest, const Retention& retention);

}  // namespace swallow
