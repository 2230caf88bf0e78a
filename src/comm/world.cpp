#include "comm/world.h"

#include "base/check.h"
#include "comm/socket_communicator.h"
#include "comm/socket_mesh.h"
#include "comm/solo_communicator.h"

namespace swallow {

namespace {

std::unique_ptr<Communicator> make_communicator(PeerSockets peers, ControlPlane& control,
                                                const TransportOptions& options) {
  if (peers.members.size() == 1) return std::make_unique<SoloCommunicator>();
  return std::make_unique<SocketCommunicator>(std::move(peers), control, options.timeout);
}

}  // namespace

void World::all_reduce_world(Stream& stream, const Tensor& tensor, ReduceOp op) const {
  for (Communicator* axis : {tp.get(), dp.get(), pp.get()}) axis->all_reduce(stream, tensor, op);
}

void World::abort(std::string_view reason) const noexcept {
  control->abort(reason);
}

World make_world(const ProcessGrid& grid, int rank, std::unique_ptr<ControlPlane> control,
                 const TransportOptions& options) {
  SWALLOW_CHECK(control->rank() == rank && control->size() == grid.world_size(),
                "the control plane is rank {} of {}, the grid rank {} of {}", control->rank(),
                control->size(), rank, grid.world_size());
  SocketMesh mesh = connect_mesh(grid, rank, *control, options);
  return {grid,
          rank,
          grid.coordinate(rank),
          make_communicator(std::move(mesh.tp), *control, options),
          make_communicator(std::move(mesh.dp), *control, options),
          make_communicator(std::move(mesh.pp), *control, options),
          std::move(control)};
}

}  // namespace swallow
