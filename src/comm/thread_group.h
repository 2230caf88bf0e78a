// One group of ranks that are threads: where they meet for collectives and hand over tensors. The
// data is copied straight between the ranks' tensors, without staging.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "comm/call.h"
#include "comm/thread_board.h"

namespace swallow {

class ThreadGroup {
 public:
  /// What a rank brings to a meeting; the pointers are valid until the meeting ends.
  struct Contribution {
    Call call;
    const void* input = nullptr;
    void* output = nullptr;
    int64_t bytes = 0;
  };
  using Work = std::function<void(std::span<const Contribution>)>;

  /// `members`: global ranks; `name` is for messages ("tp group").
  ThreadGroup(ThreadBoard& board, std::string name, std::vector<int> members);

  [[nodiscard]] int size() const noexcept { return static_cast<int>(members_.size()); }
  [[nodiscard]] ThreadBoard& board() noexcept { return board_; }
  [[nodiscard]] int member(int index) const { return members_[static_cast<size_t>(index)]; }

  /// Waits until all ranks have come with the same call, runs `work` on every rank, all at the same
  /// time, and waits until all have finished. `index` is the rank within the group. Throws
  /// CommError, on every rank, when calls differ, somebody has left or the job is aborted. `work`
  /// must not throw and must not wait.
  void meet(int index, const Contribution& contribution, const Work& work);

  /// Sends and receives; each pair of ranks matches its transfers in order. Returns when all
  /// tensors have been handed over: a send waits for its receive, as it may on any transport.
  void exchange(int index, std::span<const Transfer> transfers);

 private:
  struct Parcel {
    int peer = 0;
    Call call;
    Tensor tensor;
    enum class State : uint8_t { posted, taken, done } state = State::posted;
  };
  using Parcels = std::vector<Parcel>;
  using Lock = std::unique_lock<std::mutex>;

  [[nodiscard]] std::deque<Parcel*>& mailbox(int from, int to) {
    return mailboxes_[static_cast<size_t>(from * size() + to)];
  }
  void wake_members();
  void break_with(std::string reason);
  [[noreturn]] void throw_broken() const;
  void check_usable();
  void check_same_call(int index);
  void break_meeting(int index, const Call& call);
  [[nodiscard]] bool any_member_left() const;
  bool receive_next(Lock& lock, int index, Parcels& receives);
  void wait_for_peers(Lock& lock, int index, const Parcels& sends, const Parcels& receives);
  [[nodiscard]] bool can_progress(int index, const Parcels& sends, const Parcels& receives);
  [[nodiscard]] bool unreachable(const Parcel& parcel) const;
  void break_if_unreachable(int index, const Parcel& parcel);
  void settle(Lock& lock, int index, const Parcels& sends);

  ThreadBoard& board_;
  std::string name_;
  std::vector<int> members_;

  // Meetings: `met_` have been complete, `parted_` of them have ended.
  std::vector<Contribution> contributions_;
  std::vector<bool> present_;  // in the meeting that is being assembled
  int num_present_ = 0;
  int num_finished_ = 0;
  int64_t met_ = 0;
  int64_t parted_ = 0;
  int num_exchanging_ = 0;

  std::vector<std::deque<Parcel*>> mailboxes_;  // [from, to] posted sends
  bool broken_ = false;
  std::string broken_reason_;
};

}  // namespace swallow
