// The ways between ranks: from each to each of its groups, in pairs, and the collectives of the
// groups and of the whole job; and whether what arrives is what was sent, and every sum right.
#pragma once

#include <chrono>
#include <vector>

#include "bench/reading.h"
#include "comm/world.h"
#include "launch/host_map.h"

namespace swallow {

struct LinkCheckOptions {
  int most_rounds = 64;            // of pairs in a group; every pair of up to 64 ranks meets
  std::chrono::seconds limit{20};  // after which no further round of pairs begins in a group
};

struct LinkCheck {
  /// Of pairs: between two ranks, both sending at once ("GB/s" one way, and "us" of 8 bytes); told
  /// by the lower rank. Of collectives: bus bandwidth, i.e. the bytes that a ring moves over each
  /// link per second, as nccl-tests counts; told by the first rank of a group.
  std::vector<Reading> readings;
  std::vector<WrongResult> wrong;
};

/// Collective. Throws CommError as any call does when a rank is lost or silent.
[[nodiscard]] LinkCheck check_links(const World& world, const HostMap& hosts, Stream& stream,
                                    const LinkCheckOptions& options = {});

}  // namespace swallow
