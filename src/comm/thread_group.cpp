#include "comm/thread_group.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace swallow {

ThreadGroup::ThreadGroup(ThreadBoard& board, std::string name, std::vector<int> members)
    : board_(board),
      name_(std::move(name)),
      members_(std::move(members)),
      contributions_(members_.size()),
      present_(members_.size(), false),
      mailboxes_(members_.size() * members_.size()) {}

void ThreadGroup::wake_members() {
  for (const int rank : members_) board_.wake(rank);
}

void ThreadGroup::break_with(std::string reason) {
  if (broken_) return;
  broken_ = true;
  broken_reason_ = std::move(reason);
  wake_members();
}

void ThreadGroup::throw_broken() const {
  throw CommError("{}", broken_reason_);
}

void ThreadGroup::check_usable() {
  if (broken_) throw_broken();
  board_.check();
}

bool ThreadGroup::any_member_left() const {
  return std::any_of(members_.begin(), members_.end(),
                     [&](int rank) { return board_.has_left(rank); });
}

void ThreadGroup::check_same_call(int index) {
  const Call& mine = contributions_[static_cast<size_t>(index)].call;
  for (int other = 0; other < size(); ++other) {
    if (!present_[static_cast<size_t>(other)]) continue;
    const Call& theirs = contributions_[static_cast<size_t>(other)].call;
    if (theirs == mine) continue;
    break_with(fmt::format("{}: rank {} called {}, but rank {} called {}", name_, member(index),
                           to_string(mine), member(other), to_string(theirs)));
    throw_broken();
  }
}

void ThreadGroup::break_meeting(int index, const Call& call) {
  if (broken_) return;
  board_.check();
  const auto gone = std::find_if(members_.begin(), members_.end(),
                                 [&](int rank) { return board_.has_left(rank); });
  break_with(fmt::format("{}: rank {} called {}, but rank {} has left", name_, member(index),
                         to_string(call), *gone));
}

void ThreadGroup::meet(int index, const Contribution& contribution, const Work& work) {
  Lock lock(board_.mutex());
  check_usable();
  const int64_t meeting = met_;
  contributions_[static_cast<size_t>(index)] = contribution;
  present_[static_cast<size_t>(index)] = true;
  check_same_call(index);
  const auto describe = [&] { return name_ + ": " + to_string(contribution.call); };
  if (++num_present_ == size()) {
    num_present_ = 0;
    std::fill(present_.begin(), present_.end(), false);
    ++met_;
    wake_members();
  } else {
    if (num_exchanging_ > 0) wake_members();  // who waits there for this rank waits in vain
    board_.wait(lock, member(index),
                {[&] { return met_ > meeting || broken_ || board_.aborted() || any_member_left(); },
                 describe});
    if (met_ == meeting) {
      break_meeting(index, contribution.call);
      throw_broken();
    }
  }

  // From here to the end of the meeting nobody waits for anything but computation, so the peers'
  // memory stays valid even if the job is aborted meanwhile.
  lock.unlock();
  work(contributions_);
  lock.lock();
  if (++num_finished_ == size()) {
    num_finished_ = 0;
    ++parted_;
    wake_members();
  } else {
    board_.wait(lock, member(index), {[&] { return parted_ > meeting; }, describe});
  }
}

void ThreadGroup::exchange(int index, std::span<const Transfer> transfers) {
  Parcels sends;
  Parcels receives;
  for (const Transfer& transfer : transfers) {
    const Call call = transfer_call(transfer, index, size());
    auto& parcels = call.kind == CallKind::send ? sends : receives;
    parcels.push_back({transfer.peer, call, transfer.tensor});
  }

  Lock lock(board_.mutex());
  check_usable();
  for (Parcel& parcel : sends) {
    mailbox(index, parcel.peer).push_back(&parcel);
    board_.wake(member(parcel.peer));
  }
  const auto done = [](const Parcel& parcel) { return parcel.state == Parcel::State::done; };
  while (!broken_) {
    if (receive_next(lock, index, receives)) continue;
    if (std::all_of(sends.begin(), sends.end(), done) &&
        std::all_of(receives.begin(), receives.end(), done))
      return;
    wait_for_peers(lock, index, sends, receives);
  }
  settle(lock, index, sends);
  throw_broken();
}

bool ThreadGroup::receive_next(Lock& lock, int index, Parcels& receives) {
  for (Parcel& wanted : receives) {
    auto& box = mailbox(wanted.peer, index);
    if (wanted.state == Parcel::State::done || box.empty()) continue;
    Parcel& parcel = *box.front();
    if (!matches(parcel.call, wanted.call)) {
      break_with(fmt::format("{}: rank {} called {} from rank {}, but rank {} called {} to it",
                             name_, member(index), to_string(wanted.call), member(wanted.peer),
                             member(wanted.peer), to_string(parcel.call)));
      return false;
    }
    box.pop_front();
    parcel.state = Parcel::State::taken;
    lock.unlock();
    if (wanted.tensor.bytes() > 0)
      std::memcpy(wanted.tensor.data, parcel.tensor.data,
                  static_cast<size_t>(wanted.tensor.bytes()));
    lock.lock();
    parcel.state = Parcel::State::done;
    wanted.state = Parcel::State::done;
    board_.wake(member(wanted.peer));
    return true;
  }
  return false;
}

void ThreadGroup::wait_for_peers(Lock& lock, int index, const Parcels& sends,
                                 const Parcels& receives) {
  if (broken_) return;
  const auto describe = [&] {
    std::string text = name_ + ":";
    for (const Parcels* parcels : {&sends, &receives})
      for (const Parcel& parcel : *parcels)
        if (parcel.state != Parcel::State::done)
          text += fmt::format(" {} with rank {},", to_string(parcel.call), member(parcel.peer));
    text.pop_back();
    return text;
  };
  ++num_exchanging_;
  board_.wait(lock, member(index),
              {[&] { return can_progress(index, sends, receives); }, describe});
  --num_exchanging_;
  if (board_.aborted()) {
    break_with(board_.reason());
    return;
  }
  for (const Parcels* parcels : {&sends, &receives})
    for (const Parcel& parcel : *parcels) break_if_unreachable(index, parcel);
}

bool ThreadGroup::can_progress(int index, const Parcels& sends, const Parcels& receives) {
  if (broken_ || board_.aborted()) return true;
  bool all_done = true;
  for (const Parcels* parcels : {&sends, &receives})
    for (const Parcel& parcel : *parcels) {
      if (unreachable(parcel)) return true;
      all_done = all_done && parcel.state == Parcel::State::done;
    }
  return all_done || std::any_of(receives.begin(), receives.end(), [&](const Parcel& parcel) {
           return parcel.state != Parcel::State::done && !mailbox(parcel.peer, index).empty();
         });
}

// A peer that waits in a meeting has no transfer open, and the meeting cannot be complete without
// us: the two calls do not match.
bool ThreadGroup::unreachable(const Parcel& parcel) const {
  return parcel.state != Parcel::State::done &&
         (present_[static_cast<size_t>(parcel.peer)] || board_.has_left(member(parcel.peer)));
}

void ThreadGroup::break_if_unreachable(int index, const Parcel& parcel) {
  if (!unreachable(parcel)) return;
  const auto peer = static_cast<size_t>(parcel.peer);
  const std::string theirs =
      present_[peer] ? "called " + to_string(contributions_[peer].call) : std::string("has left");
  break_with(fmt::format("{}: rank {} called {} with rank {}, but rank {} {}", name_, member(index),
                         to_string(parcel.call), members_[peer], members_[peer], theirs));
}

// Nobody takes a parcel of a broken group, but one taken before may still be copied from.
void ThreadGroup::settle(Lock& lock, int index, const Parcels& sends) {
  const auto none_taken = [&] {
    return std::none_of(sends.begin(), sends.end(),
                        [](const Parcel& parcel) { return parcel.state == Parcel::State::taken; });
  };
  board_.wait(lock, member(index), {none_taken, [&] { return name_ + ": ending a send"; }});
}

}  // namespace swallow
