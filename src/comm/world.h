// One rank's view of the job: its place in the grid, the communicators of its three groups and the
// control plane.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "comm/communicator.h"
#include "launch/control_plane.h"
#include "launch/process_grid.h"

namespace swallow {

struct World {
  ProcessGrid grid;
  int rank = 0;
  GridCoordinate at;
  std::unique_ptr<Communicator> tp, dp, pp;
  std::unique_ptr<ControlPlane> control;

  /// Sum (or maximum) over every rank of the job, as reductions along the three axes in turn. Only
  /// for values whose order of summation does not matter: integers, and maxima.
  void all_reduce_world(Stream& stream, const Tensor& tensor, ReduceOp op) const;

  /// Ends the job for every rank; called once, by main, with the error's text.
  void abort(std::string_view reason) const noexcept;
};

struct TransportOptions {
  /// The name or address under which the other ranks reach this machine. The rank listens on every
  /// interface, or only on the loopback when that is what is named.
  std::string host = "127.0.0.1";
  /// How long a wait for another rank may last without any progress.
  std::chrono::milliseconds timeout = std::chrono::minutes(10);
};

/// The world of a rank that is a process: its groups are connected by sockets; groups of one rank
/// need none, so that a single process opens no connection. Every rank calls it at the same time.
/// Throws CommError when a rank is lost or cannot be reached.
[[nodiscard]] World make_world(const ProcessGrid& grid, int rank,
                               std::unique_ptr<ControlPlane> control,
                               const TransportOptions& options);

}  // namespace swallow
