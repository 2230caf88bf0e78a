// Connects a rank with every other member of its groups, once, at start.
#pragma once

#include <array>

#include "comm/socket_engine.h"
#include "comm/world.h"

namespace swallow {

/// The connections of those groups that are `wanted`, of which all members agree; the others, and
/// groups of one rank, have no socket. Every rank of the job calls this at the same time. Each
/// opens a listener for the duration of the call; of two ranks the higher one connects. Throws
/// CommError when a rank is lost or does not connect within the time limit.
[[nodiscard]] std::array<PeerSockets, 3> connect_mesh(const GroupPlaces& places,
                                                      const std::array<bool, 3>& wanted,
                                                      ControlPlane& control,
                                                      const TransportOptions& options);

}  // namespace swallow
