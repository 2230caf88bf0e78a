// Where the ranks of a group that run on one host meet: each shows what it brings in a window of
// memory that all of them map, and after the meeting reads in the windows of the others. Knows
// bytes and calls, not tensors. One meeting costs every rank one wait, however many they are.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "comm/call.h"
#include "comm/group_place.h"
#include "comm/shared_layout.h"
#include "comm/shared_segment.h"
#include "launch/control_plane.h"
#include "launch/socket.h"

namespace swallow {

class SharedBoard {
 public:
  struct Waiting {
    std::chrono::milliseconds timeout;  // how long a wait may pass without any progress
    int spins = 0;                      // looks before a wait sleeps; 0 where ranks outnumber cores
  };

  /// `segment` has SharedLayout(size of the group).bytes(). `control` ends a wait when the job is
  /// aborted; it outlives the board's last call.
  SharedBoard(SharedSegment segment, GroupPlace place, ControlPlane& control, Waiting waiting);
  SharedBoard(const SharedBoard&) = delete;
  SharedBoard& operator=(const SharedBoard&) = delete;
  /// The others learn that this rank has left.
  ~SharedBoard();

  [[nodiscard]] const GroupPlace& place() const noexcept { return place_; }
  [[nodiscard]] int index() const noexcept { return place_.index; }
  [[nodiscard]] int size() const noexcept { return place_.size(); }
  [[nodiscard]] ControlPlane& control() noexcept { return control_; }
  [[nodiscard]] const SharedLayout& layout() const noexcept { return layout_; }

  /// To be called around a call, whose meetings and transfers lie between them. After one that has
  /// not come to its end, begin throws CommError.
  void begin(const Call& call);
  void end() noexcept { usable_ = true; }

  /// What the next meeting shows to the others.
  [[nodiscard]] std::byte* own_window() const noexcept {
    return layout_.window(base(), index(), met_ + 1);
  }
  /// What `rank` has shown in the last meeting; stays until this rank comes to the next one.
  [[nodiscard]] const std::byte* window(int rank) const noexcept {
    return layout_.window(base(), rank, met_);
  }
  /// Returns when all ranks have come, for the same call. Throws CommError when they have come for
  /// others, when one has left or is silent, or the job is aborted.
  void meet(const Call& call);
  /// Meetings that this rank has been at.
  [[nodiscard]] uint64_t met() const noexcept { return met_; }

  [[nodiscard]] SharedSeat& seat(int rank) const noexcept {
    return SharedLayout::seat(base(), rank);
  }
  [[nodiscard]] SharedChannel& channel(int from, int to) const noexcept {
    return layout_.channel(base(), from, to);
  }

  /// Whether a rank waits in a meeting to which this one has not come.
  [[nodiscard]] bool waits_in_meeting(int rank) const noexcept {
    return seat(rank).arrived.load(std::memory_order_acquire) > met_;
  }
  /// What such a rank has come for.
  [[nodiscard]] const Call& post(int rank) const noexcept {
    return seat(rank).posts[(met_ + 1) % 2];
  }

  /// Ends the group for all its ranks with this reason, or the first one; throws it.
  [[noreturn]] void break_group(const std::string& reason);
  /// A rank that this one waits for has left. Throws why, if that becomes known.
  [[noreturn]] void throw_left(int peer, const Call& doing);

 private:
  friend class SharedWait;

  [[nodiscard]] std::byte* base() const noexcept { return segment_.data(); }
  [[nodiscard]] SharedHall& hall() const noexcept { return SharedLayout::hall(base()); }
  void wait_for_all(const Call& call);
  void check_missing(const Call& call);
  void check_posts(const Call& call);
  void check_messages(const Call& call);
  [[nodiscard]] std::vector<int> missing() const;
  void wake_everybody() noexcept;

  SharedSegment segment_;
  GroupPlace place_;
  ControlPlane& control_;
  Waiting waiting_;
  SharedLayout layout_;
  uint64_t met_ = 0;
  bool usable_ = true;
};

/// The first bytes of a message in a channel.
struct alignas(SharedChannel::kAlignment) SharedHeader {
  Call call;
  uint64_t met = 0;  // meetings that the sender had been at
};
static_assert(sizeof(SharedHeader) == SharedChannel::kAlignment);

/// One wait of a call for others.
class SharedWait {
 public:
  explicit SharedWait(SharedBoard& board) noexcept : board_(board), spins_(board.waiting_.spins) {}

  /// A moment in which the flag may be raised: looks again at once, or sleeps until it differs from
  /// `seen`, but not for long. Throws CommError when the group is broken or the job aborted.
  void pause(SharedFlag& flag, uint32_t seen);
  /// Something has moved.
  void restart() noexcept;
  /// Whether it has slept, so that it is worth while to look who does not come.
  [[nodiscard]] bool is_long() const noexcept { return slept_; }
  [[nodiscard]] std::chrono::milliseconds timeout() const noexcept {
    return board_.waiting_.timeout;
  }
  /// Whether nothing has moved for longer than allowed.
  [[nodiscard]] bool expired() const noexcept { return slept_ && AwakeClock::now() >= deadline_; }

 private:
  SharedBoard& board_;
  int spins_;
  bool slept_ = false;
  Deadline deadline_;  // once it has slept
};

}  // namespace swallow
