#include "comm/world.h"

#include <exception>

#include "base/awake_clock.h"
#include "base/check.h"
#include "comm/device_choice.h"
#include "comm/nccl.h"
#include "comm/pause.h"
#include "comm/recorded_communicator.h"
#include "comm/socket_communicator.h"
#include "comm/socket_mesh.h"
#include "comm/solo_communicator.h"
#include "comm/staged_communicator.h"
#include "device/devices.h"

namespace swallow {

namespace {

std::unique_ptr<Communicator> make_communicator(PeerSockets peers, ControlPlane& control,
                                                const TransportOptions& options) {
  if (peers.members.size() == 1) return std::make_unique<SoloCommunicator>();
  auto sockets = std::make_unique<SocketCommunicator>(std::move(peers), control, options.timeout);
  if (options.device.kind == DeviceKind::cpu) return sockets;
  return std::make_unique<StagedCommunicator>(std::move(sockets), options.device);
}

void connect_sockets(World& world, const TransportOptions& options) {
  SocketMesh mesh = connect_mesh(world.grid, world.rank, *world.control, options);
  world.tp = make_communicator(std::move(mesh.tp), *world.control, options);
  world.dp = make_communicator(std::move(mesh.dp), *world.control, options);
  world.pp = make_communicator(std::move(mesh.pp), *world.control, options);
}

/// What tells this GPU from every other, also between hosts.
std::string uuid_of(Device device) {
  for (const DeviceInfo& info : list_devices())
    if (info.device == device) return info.uuid;
  throw DeviceError("{}: there is no such GPU", to_string(device));
}

void connect_gpus(World& world, const TransportOptions& options) {
#ifdef SWALLOW_HAS_CUDA
  refuse_shared_devices(world.control->exchange(uuid_of(options.device)));
  NcclGroups groups = cuda::connect_nccl(world.grid, world.rank, *world.control, options);
  world.tp = std::move(groups.tp);
  world.dp = std::move(groups.dp);
  world.pp = std::move(groups.pp);
  for (auto* group : {&world.tp, &world.dp, &world.pp})
    if (*group == nullptr) *group = std::make_unique<SoloCommunicator>();
  world.watch = std::move(groups.watch);
#else
  throw DeviceError("{}: {} ranks, but this build has no CUDA; configure with -DSWALLOW_CUDA=ON",
                    uuid_of(options.device), world.grid.world_size());
#endif
}

void record_calls(World& world) {
  world.calls = std::make_unique<CallRing>();
  const auto record = [&](std::unique_ptr<Communicator>& group, Axis axis) {
    group = std::make_unique<RecordedCommunicator>(std::move(group), axis, *world.calls);
  };
  record(world.tp, Axis::tp);
  record(world.dp, Axis::dp);
  record(world.pp, Axis::pp);
}

}  // namespace

void World::all_reduce_world(Stream& stream, const Tensor& tensor, ReduceOp op) const {
  for (Communicator* axis : {tp.get(), dp.get(), pp.get()}) axis->all_reduce(stream, tensor, op);
}

void World::synchronize(Stream& stream) const {
  Event end(stream.device());
  end.record(stream);
  synchronize(end);
}

void World::synchronize(const Event& event) const {
  const auto begin = AwakeClock::now();
  for (Pause pause; !event.query(); pause()) {
    if (!pause.is_long()) continue;
    check();
    if (grid.world_size() == 1 || AwakeClock::now() - begin < timeout) continue;
    const std::string reason = fmt::format(
        "rank {}: its GPU has not finished within {} s; the last calls: {}", rank,
        std::chrono::duration<double>(timeout).count(), watch ? watch->last_calls() : "none");
    abort(reason);
    throw CommError("{}", reason);
  }
  if (watch) watch->check();  // work that was cut short counts as done
}

void World::check() const {
  if (watch) watch->check();  // first: it knows this rank's own part in a failure
  control->check();
}

void World::abort(std::string_view reason) const noexcept {
  control->abort(reason);
  if (watch) watch->cancel(reason);
}

CancelOnError::CancelOnError(const World& world) noexcept
    : world_(world), exceptions_at_birth_(std::uncaught_exceptions()) {}

CancelOnError::~CancelOnError() {
  if (world_.watch && std::uncaught_exceptions() > exceptions_at_birth_)
    world_.watch->cancel("this rank has ended with an error");
}

World make_world(const ProcessGrid& grid, int rank, std::unique_ptr<ControlPlane> control,
                 const TransportOptions& options) {
  SWALLOW_CHECK(control->rank() == rank && control->size() == grid.world_size(),
                "the control plane is rank {} of {}, the grid rank {} of {}", control->rank(),
                control->size(), rank, grid.world_size());
  World world{.grid = grid,
              .rank = rank,
              .at = grid.coordinate(rank),
              .control = std::move(control),
              .timeout = options.timeout};
  const bool on_gpu = options.device.kind == DeviceKind::cuda;
  SWALLOW_CHECK(on_gpu || options.backend != CommBackend::nccl, "NCCL connects GPUs, not CPUs");
  if (on_gpu && options.backend != CommBackend::host && grid.world_size() > 1)
    connect_gpus(world, options);
  else
    connect_sockets(world, options);
  record_calls(world);
  return world;
}

}  // namespace swallow
