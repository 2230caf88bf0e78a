#include "comm/world.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>
#include <functional>

#include "base/awake_clock.h"
#include "base/check.h"
#include "comm/device_choice.h"
#include "comm/nccl.h"
#include "comm/pause.h"
#include "comm/recorded_communicator.h"
#include "comm/shared_communicator.h"
#include "comm/shared_groups.h"
#include "comm/socket_communicator.h"
#include "comm/socket_mesh.h"
#include "comm/solo_communicator.h"
#include "comm/staged_communicator.h"
#include "device/devices.h"

namespace swallow {

namespace {

/// Looks at a flag before a wait sleeps, some tens of microseconds in all.
constexpr int kSpins = 1000;

int spins_before_sleep(const SharedGroups& shared) {
  return shared.num_neighbours <= sysconf(_SC_NPROCESSORS_ONLN) ? kSpins : 0;
}

SharedGroups shared_groups(const World& world, const GroupPlaces& places, CommBackend backend) {
  if (backend != CommBackend::sockets) return share_memory(places, *world.control);
  const GridShape& shape = world.grid.shape();
  SharedGroups none;
  none.some_without = {shape.tp > 1, shape.dp > 1, shape.pp > 1};
  return none;
}

std::string transports_text(const SharedGroups& shared) {
  constexpr std::array kAxes{"TP", "DP", "PP"};
  std::vector<std::string> of_axes;
  std::string text;
  for (size_t axis = 0; axis < kAxes.size(); ++axis) {
    const bool with = shared.some_with[axis], without = shared.some_without[axis];
    if (!with && !without) continue;
    of_axes.emplace_back(with && without ? "shared memory and TCP"
                         : with          ? "shared memory"
                                         : "TCP");
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", kAxes[axis], of_axes.back());
  }
  const bool alike =
      std::adjacent_find(of_axes.begin(), of_axes.end(), std::not_equal_to<>()) == of_axes.end();
  return alike ? of_axes.front() : text;
}

std::array<PeerSockets, 3> socket_groups(const GroupPlaces& places, const SharedGroups& shared,
                                         ControlPlane& control, const TransportOptions& options) {
  if (shared.complete()) return {};
  std::array<bool, 3> wanted{};
  for (size_t axis = 0; axis < places.size(); ++axis) wanted[axis] = !shared.memory[axis];
  return connect_mesh(places, wanted, control, options);
}

/// Groups within a host share memory, others talk through sockets.
void connect_hosts(World& world, const TransportOptions& options) {
  const std::array groups{&world.tp, &world.dp, &world.pp};
  if (world.grid.world_size() == 1) {
    for (auto* group : groups) *group = std::make_unique<SoloCommunicator>();
    return;
  }
  const GroupPlaces places = group_places(world.grid, world.rank);
  SharedGroups shared = shared_groups(world, places, options.backend);
  world.transports = transports_text(shared);
  auto sockets = socket_groups(places, shared, *world.control, options);
  const SharedBoard::Waiting waiting{options.timeout, spins_before_sleep(shared)};
  for (size_t axis = 0; axis < groups.size(); ++axis) {
    std::unique_ptr<Communicator>& group = *groups[axis];
    if (places[axis].size() == 1) {
      group = std::make_unique<SoloCommunicator>();
      continue;
    }
    if (shared.memory[axis])
      group = std::make_unique<SharedCommunicator>(std::move(*shared.memory[axis]), places[axis],
                                                   *world.control, waiting);
    else
      group = std::make_unique<SocketCommunicator>(std::move(sockets[axis]), *world.control,
                                                   options.timeout);
    if (options.device.kind == DeviceKind::cuda)
      group = std::make_unique<StagedCommunicator>(std::move(group), options.device);
  }
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
  world.transports = "NCCL";
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
  const bool over_nccl =
      on_gpu && (options.backend == CommBackend::automatic || options.backend == CommBackend::nccl);
  if (over_nccl && grid.world_size() > 1)
    connect_gpus(world, options);
  else
    connect_hosts(world, options);
  record_calls(world);
  return world;
}

}  // namespace swallow
