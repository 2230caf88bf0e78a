// One rank's view of the job: its place in the grid, the communicators of its three groups and the
// control plane.
#pragma once

#include <memory>

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

}  // namespace swallow
