// Connects a rank with every other member of its groups, once, at start.
#pragma once

#include "comm/socket_engine.h"
#include "comm/world.h"

namespace swallow {

/// The connections of a rank's three groups. A group of one rank has no socket.
struct SocketMesh {
  PeerSockets tp, dp, pp;
};

/// Every rank of the job calls this at the same time. Each opens a listener for the duration of the
/// call; of two ranks the higher one connects. Throws CommError when a rank is lost or does not
/// connect within the time limit.
[[nodiscard]] SocketMesh connect_mesh(const ProcessGrid& grid, int rank, ControlPlane& control,
                                      const TransportOptions& options);

}  // namespace swallow
