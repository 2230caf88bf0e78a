// A save whose file is written by a thread of its own while the rank goes on. The thread touches
// nothing but its copy of the tensors and its file: what ranks agree on is said by the caller's
// thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>

#include "checkpoint/checkpoint_save.h"

namespace swallow {

class BackgroundSave {
 public:
  /// Starts to write. What `source` points to stays as it is until the save is destroyed.
  BackgroundSave(std::unique_ptr<CheckpointSave> save, const CheckpointTensors& source,
                 ControlPlane& control);
  BackgroundSave(const BackgroundSave&) = delete;
  BackgroundSave& operator=(const BackgroundSave&) = delete;
  /// Gives up a write under way: it ends within a chunk of the file.
  ~BackgroundSave();

  [[nodiscard]] int64_t iteration() const noexcept { return save_->state().iteration; }
  /// Whether this rank's file is written, or failed.
  [[nodiscard]] bool written() const;

  /// Collective. Waits for this rank's file and then commits, as CheckpointSave::commit() does.
  /// Throws CommError when a rank is lost in the meantime.
  int64_t commit();

 private:
  std::unique_ptr<CheckpointSave> save_;
  ControlPlane& control_;
  std::atomic<bool> cancel_ = false;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool written_ = false;  // guarded by mutex_
  std::thread thread_;    // last: it uses all of the above
};

}  // namespace swallow
