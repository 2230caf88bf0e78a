// What the NCCL communicators of one rank share: the library, the lock, the thread that watches
// them, and their end. No call of NCCL may wait for a peer: communicators are non-blocking, and
// after each call the caller polls until the call has been queued, so that a peer that does not
// come ends in an error instead of a hang.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/awake_clock.h"
#include "comm/call.h"
#include "comm/transport_watch.h"
#include "device/device.h"
#include "launch/control_plane.h"
#include "library.h"

namespace swallow::cuda {

class NcclSession final : public TransportWatch {
 public:
  struct Group {
    std::string name;          // "tp group", for messages
    std::vector<int> members;  // global ranks
    int index = 0;             // this rank within the group
    ncclComm_t communicator = nullptr;
    bool busy = false;  // a call is being queued
    bool called = false;
    Call last;
    [[nodiscard]] int size() const noexcept { return static_cast<int>(members.size()); }
  };

  /// `control` outlives the session. Opens NCCL, reserves a few bytes of the device and starts the
  /// thread that watches.
  NcclSession(Device device, ControlPlane& control, std::chrono::milliseconds timeout);
  /// Leaves the groups together with the other ranks; those that are lost are not waited for long.
  ~NcclSession() override;

  [[nodiscard]] const Nccl& nccl() const noexcept { return nccl_; }
  [[nodiscard]] Device device() const noexcept { return device_; }

  /// What the ranks of a group must agree on before they connect: NCCL_UNIQUE_ID_BYTES bytes.
  [[nodiscard]] std::string make_id();
  /// Returns when all members have come. The group lives as long as the session.
  Group& connect(Group group, const std::string& id);

  /// Calls `launch` with the communicator and the stream's queue, and returns when NCCL has queued
  /// the work on the stream. Throws CommError after any failure of any group.
  using Launch = std::function<ncclResult_t(ncclComm_t, cudaStream_t)>;
  void run(Group& group, Stream& stream, const Call& call, const Launch& launch);
  /// Returns when every member has called it. Says nothing about work on streams.
  void barrier(Group& group);
  /// Aborts the whole job, and this rank's part of it at once.
  void abort(std::string_view reason) noexcept;

  void check() override;
  void cancel(std::string_view reason) noexcept override;
  [[nodiscard]] std::string last_calls() const override;

 private:
  using Clock = AwakeClock;

  void watch(const std::stop_token& stop);
  void throw_if_failed() const;
  [[nodiscard]] std::string problem_of(const Group& group, ncclResult_t result) const;
  [[nodiscard]] ncclResult_t state_of(const Group& group) const;
  [[noreturn]] void fail(std::string reason);
  [[nodiscard]] std::string cause_of(std::string effect);
  void await(Group& group);
  void mark(const Group& group, Stream& stream);
  [[nodiscard]] bool mark_passed() const;
  [[nodiscard]] std::string describe(const Group& group) const;
  void abort_communicators(std::vector<ncclComm_t> communicators) noexcept;
  [[nodiscard]] bool leave_together() noexcept;

  Nccl nccl_;
  Device device_;
  ControlPlane& control_;
  std::chrono::milliseconds timeout_;
  int exceptions_at_birth_;
  Stream barrier_stream_;
  Buffer zeros_;  // [2] f32: a barrier sums the first over the ranks; both clear the mark

  // The mark: a copy that is queued behind a call and clears a word in host memory. While the word
  // is set the GPU has not got there. Seen without CUDA, which may block while a GPU's queue is
  // full. At most one is under way.
  HostBuffer mark_;
  Clock::time_point marked_at_;
  std::string marked_;

  mutable std::mutex mutex_;  // over every call of NCCL and all below
  std::deque<Group> groups_;
  std::string failure_;  // empty: none
  std::condition_variable_any wake_;
  std::mutex wake_mutex_;
  std::jthread watcher_;  // last: it uses everything above
};

}  // namespace swallow::cuda
