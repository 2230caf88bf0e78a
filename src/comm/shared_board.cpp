#include "comm/shared_board.h"

#include <poll.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "comm/lost_peer.h"

namespace swallow {

namespace {

// How long a wait sleeps before it looks whether the job is aborted or a rank has gone, of which
// no flag tells.
constexpr std::chrono::milliseconds kNap{20};

void relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

SharedBoard::SharedBoard(SharedSegment segment, GroupPlace place, ControlPlane& control,
                         Waiting waiting)
    : segment_(std::move(segment)),
      place_(std::move(place)),
      control_(control),
      waiting_(waiting),
      layout_(place_.size()) {
  SWALLOW_CHECK(segment_.bytes() == layout_.bytes(), "{}: {} shared bytes, not {}", place_.name,
                segment_.bytes(), layout_.bytes());
}

SharedBoard::~SharedBoard() {
  seat(index()).left.store(1, std::memory_order_release);
  wake_everybody();
}

void SharedBoard::begin(const Call& call) {
  if (!usable_)
    throw CommError("{}: rank {} called {} after an earlier call had failed", place_.name,
                    place_.global(index()), to_string(call));
  usable_ = false;
}

void SharedBoard::meet(const Call& call) {
  SharedSeat& own = seat(index());
  own.posts[(met_ + 1) % 2] = call;
  own.arrived.store(met_ + 1, std::memory_order_release);
  const auto all = (met_ + 1) * static_cast<uint64_t>(size());
  if (hall().arrivals.fetch_add(1, std::memory_order_acq_rel) + 1 == all)
    hall().opened.raise();
  else
    wait_for_all(call);
  ++met_;
  check_posts(call);
  check_messages(call);
}

void SharedBoard::wait_for_all(const Call& call) {
  const auto closed = static_cast<uint32_t>(met_);
  SharedWait wait(*this);
  for (uint64_t arrivals = 0; hall().opened.value() == closed;) {
    wait.pause(hall().opened, closed);
    if (!wait.is_long() || hall().opened.value() != closed) continue;
    check_missing(call);
    if (wait.expired()) throw_silent(control_, place_, call, waiting_.timeout, missing());
    const uint64_t now = hall().arrivals.load(std::memory_order_relaxed);
    if (now != arrivals) wait.restart();
    arrivals = now;
  }
}

std::vector<int> SharedBoard::missing() const {
  std::vector<int> ranks;
  for (int rank = 0; rank < size(); ++rank)
    if (!waits_in_meeting(rank)) ranks.push_back(rank);
  return ranks;
}

void SharedBoard::check_missing(const Call& call) {
  for (const int rank : missing()) {
    // Whoever leaves after it has come, or whom this wait has just ended, is not missed.
    if (seat(rank).left.load(std::memory_order_acquire) == 0 || waits_in_meeting(rank)) continue;
    throw_left(rank, call);
  }
}

void SharedBoard::check_posts(const Call& call) {
  for (int rank = 0; rank < size(); ++rank) {
    const Call& theirs = seat(rank).posts[met_ % 2];
    if (!(theirs == call)) break_group(differing_calls(place_, call, rank, theirs));
  }
}

// A message that was sent before the meeting, and that this rank has not taken by now, belongs to a
// call that it has not made. The next one's may be here already.
void SharedBoard::check_messages(const Call& call) {
  if (seat(index()).messages.load(std::memory_order_acquire) == 0) return;
  for (int rank = 0; rank < size(); ++rank) {
    const std::byte* const front = channel(rank, index()).front(layout_.channel_capacity());
    if (front == nullptr) continue;
    SharedHeader header;
    std::memcpy(&header, front, sizeof header);
    if (header.met < met_) break_group(differing_calls(place_, call, rank, header.call));
  }
}

void SharedBoard::break_group(const std::string& reason) {
  uint32_t whole = SharedHall::whole;
  if (hall().state.compare_exchange_strong(whole, SharedHall::breaking)) {
    const size_t length = std::min(reason.size(), hall().reason.size() - 1);
    std::memcpy(hall().reason.data(), reason.data(), length);
    hall().state.store(SharedHall::broken, std::memory_order_release);
    wake_everybody();
  }
  throw CommError("{}", reason);
}

void SharedBoard::throw_left(int peer, const Call& doing) {
  await_reason(control_, waiting_.timeout);
  throw CommError("{}: rank {} called {}, but rank {} has left", place_.name,
                  place_.global(index()), to_string(doing), place_.global(peer));
}

// Raising `opened` without a meeting would count one: its sleepers find out when their nap ends.
void SharedBoard::wake_everybody() noexcept {
  for (int rank = 0; rank < size(); ++rank) seat(rank).bell.raise();
}

void SharedWait::pause(SharedFlag& flag, uint32_t seen) {
  if (spins_ > 0) {
    --spins_;
    return relax();
  }
  if (!slept_) deadline_ = deadline_after(board_.waiting_.timeout);
  slept_ = true;
  flag.sleep(seen, std::min(kNap, board_.waiting_.timeout));
  if (flag.value() != seen) return;
  const SharedHall& hall = board_.hall();
  if (hall.state.load(std::memory_order_acquire) == SharedHall::broken)
    throw CommError("{}", hall.reason.data());
  pollfd control{board_.control_.wake_fd(), POLLIN, 0};
  if (poll(&control, 1, 0) > 0) board_.control_.check();
}

void SharedWait::restart() noexcept {
  spins_ = board_.waiting_.spins;
  slept_ = false;
}

}  // namespace swallow
