// One rank's view of the job: its place in the grid, the communicators of its three groups and the
// control plane.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "comm/call_ring.h"
#include "comm/communicator.h"
#include "comm/transport_watch.h"
#include "launch/control_plane.h"
#include "launch/process_grid.h"

namespace swallow {

struct World {
  ProcessGrid grid;
  int rank = 0;
  GridCoordinate at;
  /// What the groups below were last asked for; null where nothing is recorded.
  std::unique_ptr<CallRing> calls;
  std::unique_ptr<Communicator> tp, dp, pp;
  std::unique_ptr<ControlPlane> control;
  /// How long a wait for another rank may last without any progress.
  std::chrono::milliseconds timeout = std::chrono::minutes(10);
  /// Null where no call goes on after it has returned. Destroyed before all that it watches.
  std::unique_ptr<TransportWatch> watch;
  /// Through what the job's ranks talk, for a person: "shared memory", "TP shared memory, DP TCP";
  /// empty for a single rank.
  std::string transports;

  /// Sum (or maximum) over every rank of the job, as reductions along the three axes in turn. Only
  /// for values whose order of summation does not matter: integers, and maxima.
  void all_reduce_world(Stream& stream, const Tensor& tensor, ReduceOp op) const;

  /// Returns when all work launched on `stream` so far, or marked by `event`, is done. Unlike
  /// Stream::synchronize it throws CommError when a rank is lost, a call has failed or the wait
  /// exceeds the time limit, instead of waiting for a kernel that waits for ever: the way to wait
  /// for streams with communication on them.
  void synchronize(Stream& stream) const;
  void synchronize(const Event& event) const;

  /// Throws CommError when the job is aborted or a call has failed after it returned.
  void check() const;

  /// Ends the job for every rank; called once, by main, with the error's text.
  void abort(std::string_view reason) const noexcept;
};

/// Ends this rank's communication when an exception destroys it. To be declared after whatever owns
/// device memory: freeing that would wait for kernels, and these for ranks that do not come.
class CancelOnError {
 public:
  explicit CancelOnError(const World& world) noexcept;
  CancelOnError(const CancelOnError&) = delete;
  CancelOnError& operator=(const CancelOnError&) = delete;
  ~CancelOnError();

 private:
  const World& world_;
  int exceptions_at_birth_;
};

/// Through what ranks talk. automatic: NCCL between GPUs; between CPUs memory that the ranks of a
/// host share, and sockets between hosts. host: as between CPUs always; tensors on a GPU go through
/// host memory, and ranks may share a GPU. sockets: likewise, but also within a host.
enum class CommBackend : uint8_t { automatic, host, sockets, nccl };

struct TransportOptions {
  /// The name or address under which the other ranks reach this machine. The rank listens on every
  /// interface, or only on the loopback when that is what is named.
  std::string host = "127.0.0.1";
  /// How long a wait for another rank may last without any progress.
  std::chrono::milliseconds timeout = std::chrono::minutes(10);
  /// Where the rank computes (see comm/device_choice.h).
  Device device;
  CommBackend backend = CommBackend::automatic;
};

/// The world of a rank that is a process; groups of one rank need no connection, so that a single
/// process opens none. Every rank calls it at the same time. Throws CommError when a rank is lost
/// or cannot be reached, and ConfigError when NCCL is to connect ranks that share a GPU.
[[nodiscard]] World make_world(const ProcessGrid& grid, int rank,
                               std::unique_ptr<ControlPlane> control,
                               const TransportOptions& options);

}  // namespace swallow
