// What ranks that measure something together agree on.
#pragma once

#include <cstdint>

#include "comm/world.h"

namespace swallow {

/// Collective over the job: the greatest `value` of any rank, on all of them. Also a barrier, and
/// unlike the control plane's one that gives a silent rank up after World::timeout.
int64_t greatest_of_all(const World& world, Stream& stream, int64_t value = 0);

}  // namespace swallow
