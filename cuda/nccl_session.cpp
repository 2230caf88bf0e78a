#include "nccl_session.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>

#include "base/check.h"
#include "check.h"
#include "comm/pause.h"
#include "stream.h"

namespace swallow::cuda {

namespace {

using namespace std::chrono_literals;

// How late an abort of the job may be noticed here; the thread costs nothing at this rate.
constexpr auto kWatchInterval = 20ms;

// A rank that fails closes its connections shortly before or after it tells the control plane why.
// The reason is worth waiting for: it names the cause, NCCL's error only an effect.
constexpr auto kGrace = 300ms;

// For the last words with peers at the end of a run; after that the connections are cut.
constexpr auto kFarewell = 20s;

}  // namespace

NcclSession::NcclSession(Device device, ControlPlane& control, std::chrono::milliseconds timeout)
    : device_(device),
      control_(control),
      timeout_(timeout),
      exceptions_at_birth_(std::uncaught_exceptions()),
      barrier_stream_(device),
      zeros_(device, static_cast<int64_t>(sizeof(uint64_t))),
      mark_(device, static_cast<int64_t>(sizeof(uint64_t))),
      watcher_([this](const std::stop_token& stop) { watch(stop); }) {}

NcclSession::~NcclSession() {
  watcher_.request_stop();
  watcher_.join();
  if (std::uncaught_exceptions() > exceptions_at_birth_ || !leave_together())
    cancel("the session has ended");
}

std::string NcclSession::make_id() {
  ncclUniqueId id;
  const std::lock_guard lock(mutex_);
  const ncclResult_t result = nccl_.get_unique_id(&id);
  if (result != ncclSuccess)
    throw DeviceError("NCCL: {} ({})", nccl_.get_error_string(result),
                      nccl_.get_last_error(nullptr));
  return {id.internal, sizeof id.internal};
}

NcclSession::Group& NcclSession::connect(Group group, const std::string& id) {
  ncclUniqueId unique;
  SWALLOW_CHECK(id.size() == sizeof unique.internal, "an id of {} bytes", id.size());
  std::memcpy(unique.internal, id.data(), id.size());
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  CUDA_CHECK(cudaSetDevice(device_.index));
  Group* connected = nullptr;
  std::string problem;
  {
    const std::lock_guard lock(mutex_);
    throw_if_failed();
    connected = &groups_.emplace_back(std::move(group));
    connected->busy = true;
    const ncclResult_t result = nccl_.comm_init_rank_config(
        &connected->communicator, connected->size(), unique, connected->index, &config);
    if (connected->communicator == nullptr) problem = problem_of(*connected, result);
  }
  if (!problem.empty()) fail(cause_of(std::move(problem)));
  await(*connected);
  return *connected;
}

void NcclSession::run(Group& group, Stream& stream, const Call& call, const Launch& launch) {
  const cudaStream_t queue = enter(stream);
  std::string problem;
  {
    const std::lock_guard lock(mutex_);
    throw_if_failed();
    group.last = call;
    group.called = true;
    group.busy = true;
    const ncclResult_t result = launch(group.communicator, queue);
    if (result != ncclSuccess && result != ncclInProgress) problem = problem_of(group, result);
  }
  if (!problem.empty()) fail(cause_of(std::move(problem)));
  await(group);
  mark(group, stream);
}

// Until then the work is not on the stream, and what the caller queues next would come before it.
void NcclSession::await(Group& group) {
  const auto begin = Clock::now();
  std::string problem;
  for (Pause pause; problem.empty(); pause()) {
    const std::lock_guard lock(mutex_);
    throw_if_failed();
    const ncclResult_t state = state_of(group);
    if (state == ncclSuccess) {
      group.busy = false;
      return;
    }
    if (state != ncclInProgress)
      problem = problem_of(group, state);
    else if (Clock::now() - begin > timeout_)
      problem = fmt::format("{} and has waited {} s for the others", describe(group),
                            std::chrono::duration<double>(timeout_).count());
  }
  fail(cause_of(std::move(problem)));
}

void NcclSession::barrier(Group& group) {
  const Call call{.kind = CallKind::barrier};
  run(group, barrier_stream_, call, [&](ncclComm_t communicator, cudaStream_t queue) {
    return nccl_.all_reduce(zeros_.data(), zeros_.data(), 1, ncclFloat32, ncclSum, communicator,
                            queue);
  });
  Event met(device_);
  met.record(barrier_stream_);
  const auto begin = Clock::now();
  for (Pause pause; !met.query(); pause()) {
    const std::lock_guard lock(mutex_);
    throw_if_failed();
    if (Clock::now() - begin > timeout_) break;
  }
  if (!met.query())
    fail(fmt::format("{} and has waited {} s for the others", describe(group),
                     std::chrono::duration<double>(timeout_).count()));
  const std::lock_guard lock(mutex_);
  throw_if_failed();  // a barrier that was cut short counts as done
}

void NcclSession::mark(const Group& group, Stream& stream) {
  {
    const std::lock_guard lock(mutex_);
    if (!mark_passed()) return;
    marked_ = describe(group);
    marked_at_ = Clock::now();
    std::atomic_ref(*reinterpret_cast<uint64_t*>(mark_.data())).store(1);
  }
  // Not under the lock: this blocks while the GPU's queue is full.
  copy_bytes(stream, mark_.data(), zeros_.data(), mark_.bytes());
}

bool NcclSession::mark_passed() const {
  return std::atomic_ref(*reinterpret_cast<uint64_t*>(mark_.data())).load() == 0;
}

std::string NcclSession::describe(const Group& group) const {
  const int rank = group.members[static_cast<size_t>(group.index)];
  if (!group.called) return fmt::format("{}: rank {} connects", group.name, rank);
  return fmt::format("{}: rank {} called {}", group.name, rank, to_string(group.last));
}

std::string NcclSession::last_calls() const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const Group& group : groups_)
    if (group.called)
      text += fmt::format("{}{}: {} with ranks {}", text.empty() ? "" : "; ", group.name,
                          to_string(group.last), fmt::join(group.members, ", "));
  return text.empty() ? "none" : text;
}

ncclResult_t NcclSession::state_of(const Group& group) const {
  ncclResult_t state = ncclSuccess;
  const ncclResult_t result = nccl_.comm_get_async_error(group.communicator, &state);
  return result == ncclSuccess ? state : result;
}

std::string NcclSession::problem_of(const Group& group, ncclResult_t result) const {
  return fmt::format("{}: NCCL: {} ({})", describe(group), nccl_.get_error_string(result),
                     nccl_.get_last_error(group.communicator));
}

void NcclSession::throw_if_failed() const {
  if (!failure_.empty()) throw CommError("{}", failure_);
}

std::string NcclSession::cause_of(std::string effect) {
  const auto begin = Clock::now();
  try {
    for (; Clock::now() - begin < kGrace; std::this_thread::sleep_for(kWatchInterval))
      control_.check();
  } catch (const Error& error) {
    return error.what();
  }
  return effect;
}

void NcclSession::fail(std::string reason) {
  abort(reason);
  const std::lock_guard lock(mutex_);
  throw CommError("{}", failure_);
}

void NcclSession::abort(std::string_view reason) noexcept {
  control_.abort(reason);
  cancel(reason);
}

void NcclSession::check() {
  std::string problem;
  {
    const std::lock_guard lock(mutex_);
    throw_if_failed();
    for (const Group& group : groups_) {
      if (group.communicator == nullptr) continue;
      const ncclResult_t state = state_of(group);
      if (state != ncclSuccess && state != ncclInProgress) problem = problem_of(group, state);
    }
    if (problem.empty() && !mark_passed() && Clock::now() - marked_at_ > timeout_)
      problem = fmt::format("{} and its GPU has waited {} s for the others", marked_,
                            std::chrono::duration<double>(timeout_).count());
  }
  if (!problem.empty()) fail(cause_of(std::move(problem)));
}

void NcclSession::watch(const std::stop_token& stop) {
  std::unique_lock lock(wake_mutex_);
  while (!wake_.wait_for(lock, stop, kWatchInterval, [&] { return stop.stop_requested(); })) {
    try {
      control_.check();
      check();
    } catch (const std::exception& error) {
      return cancel(error.what());  // the rank's own thread finds the reason in its next call
    }
  }
}

void NcclSession::cancel(std::string_view reason) noexcept {
  std::vector<ncclComm_t> communicators;
  {
    const std::lock_guard lock(mutex_);
    if (!failure_.empty()) return;
    failure_ = reason.empty() ? "aborted" : reason;
    // Aborting one whose call is being queued waits for that, which may wait for room in the GPU's
    // queue, and this for the kernels of the others: these come first.
    for (const bool busy : {false, true})
      for (Group& group : groups_)
        if (group.busy == busy && group.communicator != nullptr)
          communicators.push_back(std::exchange(group.communicator, nullptr));
  }
  abort_communicators(std::move(communicators));
}

// As one group, so that all are told to end before the memory of any is freed: freeing waits for
// the kernels of the others.
void NcclSession::abort_communicators(std::vector<ncclComm_t> communicators) noexcept {
  if (communicators.empty()) return;
  cudaSetDevice(device_.index);
  nccl_.group_start();
  for (const ncclComm_t communicator : communicators) nccl_.comm_abort(communicator);
  nccl_.group_end();
}

bool NcclSession::leave_together() noexcept {
  const std::lock_guard lock(mutex_);
  if (!failure_.empty()) return true;
  cudaSetDevice(device_.index);
  bool all_well = true;
  for (Group& group : groups_) {
    if (group.communicator == nullptr) continue;
    const ncclResult_t result = nccl_.comm_finalize(group.communicator);
    all_well = all_well && (result == ncclSuccess || result == ncclInProgress);
  }
  const auto begin = Clock::now();
  const auto pending = [&](const Group& group) {
    return group.communicator != nullptr && state_of(group) == ncclInProgress;
  };
  for (Pause pause; std::any_of(groups_.begin(), groups_.end(), pending); pause())
    if (Clock::now() - begin > kFarewell) return false;
  for (Group& group : groups_) {
    if (group.communicator == nullptr) continue;
    if (!all_well || state_of(group) != ncclSuccess) return false;
    nccl_.comm_destroy(std::exchange(group.communicator, nullptr));
  }
  return true;
}

}  // namespace swallow::cuda
