#include "checkpoint/background_save.h"

#include <chrono>
#include <utility>

namespace swallow {

namespace {

constexpr auto kLookForPeers = std::chrono::milliseconds(50);

}  // namespace

BackgroundSave::BackgroundSave(std::unique_ptr<CheckpointSave> save,
                               const CheckpointTensors& source, ControlPlane& control)
    : save_(std::move(save)), control_(control), thread_([this, source] {
        save_->write(source, cancel_);
        const std::lock_guard lock(mutex_);
        written_ = true;
        changed_.notify_all();
      }) {}

BackgroundSave::~BackgroundSave() {
  cancel_ = true;
  thread_.join();
}

bool BackgroundSave::written() const {
  const std::lock_guard lock(mutex_);
  return written_;
}

int64_t BackgroundSave::commit() {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kLookForPeers, [&] { return written_; })) control_.check();
  lock.unlock();
  return save_->commit();
}

}  // namespace swallow
