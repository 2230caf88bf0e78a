// What the ranks of a thread job share beside data: one lock, who waits for what, who has left, and
// the abort. Because it sees every wait, it also notices when nobody can go on any more.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "launch/socket.h"

namespace swallow {

/// Every member but mutex(), size() and wake_fd() is called with the lock held.
class ThreadBoard {
 public:
  struct Wait {
    std::function<bool()> over;             // the wait ends when this is true
    std::function<std::string()> describe;  // "tp group: all_reduce(sum, 4 x f32)"
  };

  explicit ThreadBoard(int size);

  [[nodiscard]] std::mutex& mutex() noexcept { return mutex_; }
  [[nodiscard]] int size() const noexcept { return static_cast<int>(ranks_.size()); }

  /// Blocks the calling thread, which is `rank`, until `wait.over()`, which must turn true when the
  /// job is aborted unless somebody is sure to end the wait. If with this wait every rank of the
  /// job waits in vain, the job is aborted with a list of what each one waits for.
  void wait(std::unique_lock<std::mutex>& lock, int rank, const Wait& wait);
  /// Makes `rank` look at its wait again.
  void wake(int rank);

  /// The first reason wins; wakes everybody.
  void abort(std::string reason);
  [[nodiscard]] bool aborted() const noexcept { return aborted_; }
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
  /// Throws CommError with the reason if the job is aborted.
  void check() const;

  /// Becomes readable with the abort. Needs no lock.
  [[nodiscard]] int wake_fd() const noexcept { return wake_pair_.first.fd(); }

  /// The rank will make no more calls; wakes everybody.
  void leave(int rank);
  [[nodiscard]] bool has_left(int rank) const { return at(rank).left; }

 private:
  struct Rank {
    std::condition_variable wake;
    const Wait* wait = nullptr;  // lives on the waiting thread's stack
    bool left = false;
  };

  [[nodiscard]] const Rank& at(int rank) const { return ranks_[static_cast<size_t>(rank)]; }
  [[nodiscard]] Rank& at(int rank) { return ranks_[static_cast<size_t>(rank)]; }
  void wake_all();
  void abort_if_deadlocked();

  std::mutex mutex_;
  std::vector<Rank> ranks_;
  int num_waiting_ = 0;
  int num_left_ = 0;
  bool aborted_ = false;
  std::string reason_;
  std::pair<Socket, Socket> wake_pair_;  // closing the second end makes the first readable
};

}  // namespace swallow
