// A save in its steps, so that the middle one, which takes long, may be done by another thread:
// begin and commit are agreed on by all ranks, between them each rank writes its own file.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "launch/control_plane.h"

namespace swallow {

class PendingIteration;

/// Destroyed before commit() has returned, it leaves nothing but the previous checkpoints. Errors
/// are those of save_checkpoint(), the same on every rank.
class CheckpointSave {
 public:
  /// Collective: rank 0 makes the temporary folder. `tensors` are looked at, not read; the control
  /// plane outlives the save.
  CheckpointSave(std::string folder, CheckpointState state, const CheckpointTensors& tensors,
                 ControlPlane& control);
  CheckpointSave(const CheckpointSave&) = delete;
  CheckpointSave& operator=(const CheckpointSave&) = delete;
  ~CheckpointSave();

  [[nodiscard]] const CheckpointState& state() const noexcept { return state_; }

  /// Writes this rank's file from `source`: the tensors that were given, or a copy of them. For any
  /// thread. What goes wrong is kept for commit(). `cancel`, set by another thread, ends it early.
  void write(const CheckpointTensors& source, const std::atomic<bool>& cancel);

  /// Collective, after write(): the checkpoint is there when it returns. Returns the bytes this
  /// rank wrote.
  int64_t commit();

 private:
  std::vector<std::string> agree_on(std::string_view report) const;

  std::string folder_;
  CheckpointState state_;
  ControlPlane& control_;
  std::unique_ptr<PendingIteration> pending_;  // on rank 0
  std::string temporary_;                      // folder being written
  int64_t total_bytes_ = 0;                    // of the tensors of all ranks
  std::string report_;                         // of write(), for agree()
  int64_t written_bytes_ = 0;                  // likewise, this rank's file
};

}  // namespace swallow
