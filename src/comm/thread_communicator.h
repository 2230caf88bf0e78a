// The transport between ranks that are threads of one process, for tests of everything above it.
// It reads and writes the ranks' tensors directly; nobody spins.
#pragma once

#include <memory>
#include <vector>

#include "comm/communicator.h"
#include "comm/world.h"
#include "launch/control_plane.h"
#include "launch/process_grid.h"

namespace swallow {

class ThreadBoard;
class ThreadGroup;

/// The shared part of a job whose ranks are threads; outlives all its worlds. Each rank uses its
/// world from one thread. Waits have no time limit: a wait that cannot end (a peer has left, calls
/// differ, every rank waits for another) throws CommError at once.
class ThreadJob {
 public:
  explicit ThreadJob(GridShape shape);
  ThreadJob(const ThreadJob&) = delete;
  ThreadJob& operator=(const ThreadJob&) = delete;
  ~ThreadJob();

  /// The rank's communicators and control plane. To be called once per rank, from any thread; when
  /// any of them is destroyed the rank has left the job.
  [[nodiscard]] World world(int rank);
  /// Only the control plane, for another transport's ranks.
  [[nodiscard]] std::unique_ptr<ControlPlane> control(int rank);

 private:
  ProcessGrid grid_;
  std::unique_ptr<ThreadBoard> board_;
  std::unique_ptr<ThreadGroup> everyone_;
  // Indexed by the first global rank of the group; null elsewhere and for groups of one rank.
  std::vector<std::unique_ptr<ThreadGroup>> tp_, dp_, pp_;
};

}  // namespace swallow
