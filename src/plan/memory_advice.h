// What to change when a plan does not fit: single settings, each planned anew.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/run_config.h"
#include "config/run_shape.h"
#include "device/device.h"
#include "plan/memory_table.h"

namespace swallow {

struct MemoryChange {
  std::string flags;  // as they would be given
  int64_t bytes = 0;  // of the fullest stage, with them
};

/// The changes that are valid on the same ranks and take less than the settings as they are; from
/// those that cost nothing to those that cost most speed, and at last all that go together.
std::vector<MemoryChange> memory_changes(const RunConfig& config, const RunShape& run,
                                         Device device, int num_threads);

/// The same as a table, which says what fits.
std::string memory_advice(const std::vector<MemoryChange>& changes, const MemoryLimit& limit);

}  // namespace swallow
