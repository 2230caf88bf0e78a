#include "comm/thread_board.h"

#include <algorithm>

#include "base/check.h"

namespace swallow {

ThreadBoard::ThreadBoard(int size) : ranks_(static_cast<size_t>(size)), wake_pair_(socket_pair()) {}

void ThreadBoard::wait(std::unique_lock<std::mutex>& lock, int rank, const Wait& wait) {
  if (wait.over()) return;
  Rank& self = at(rank);
  self.wait = &wait;
  ++num_waiting_;
  abort_if_deadlocked();
  self.wake.wait(lock, wait.over);
  --num_waiting_;
  self.wait = nullptr;
}

void ThreadBoard::wake(int rank) {
  at(rank).wake.notify_one();
}

void ThreadBoard::wake_all() {
  for (Rank& rank : ranks_) rank.wake.notify_one();
}

void ThreadBoard::abort(std::string reason) {
  if (aborted_) return;
  reason_ = std::move(reason);
  aborted_ = true;
  wake_pair_.second.close();
  wake_all();
}

void ThreadBoard::check() const {
  if (aborted_) throw CommError("{}", reason_);
}

void ThreadBoard::leave(int rank) {
  if (at(rank).left) return;
  at(rank).left = true;
  ++num_left_;
  wake_all();
  abort_if_deadlocked();
}

void ThreadBoard::abort_if_deadlocked() {
  // A rank that was woken but has not run yet still counts as waiting; its condition tells.
  const auto in_vain = [](const Rank& rank) { return rank.left || !rank.wait->over(); };
  if (aborted_ || num_waiting_ == 0 || num_waiting_ + num_left_ < size()) return;
  if (!std::all_of(ranks_.begin(), ranks_.end(), in_vain)) return;
  std::string reason = "deadlock, every rank waits:";
  for (size_t rank = 0; rank < ranks_.size(); ++rank) {
    if (!ranks_[rank].left)
      reason += fmt::format(" rank {} in {};", rank, ranks_[rank].wait->describe());
  }
  reason.pop_back();
  abort(std::move(reason));
}

}  // namespace swallow
