#include "comm/shared_exchange.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "base/check.h"
#include "comm/lost_peer.h"

namespace swallow {

namespace {

// The receiver is called after every piece, so that it copies out while the next one is copied in.
constexpr int64_t kPieceBytes = int64_t{64} << 10;

}  // namespace

void SharedExchange::list(std::span<const Transfer> transfers) {
  parts_.clear();
  for (const Transfer& transfer : transfers)
    parts_.push_back({.call = transfer_call(transfer, board_.index(), board_.size()),
                      .peer = transfer.peer,
                      .data = static_cast<std::byte*>(transfer.tensor.data),
                      .left = transfer.tensor.bytes()});
}

void SharedExchange::run(std::span<const Transfer> transfers) {
  list(transfers);
  const Call& first = parts_.front().call;
  board_.begin(first);
  SharedFlag& bell = board_.seat(board_.index()).bell;
  const auto done = [](const Part& part) { return part.done(); };
  for (SharedWait wait(board_);;) {
    const uint32_t seen = bell.value();
    if (move_all()) {
      wait.restart();
      continue;
    }
    if (std::all_of(parts_.begin(), parts_.end(), done)) break;
    wait.pause(bell, seen);
    if (!wait.is_long() || bell.value() != seen) continue;
    check_peers();
    if (!wait.expired()) continue;
    throw_silent(board_.control(), board_.place(), first, wait.timeout(), silent_peers());
  }
  board_.end();
}

std::vector<int> SharedExchange::silent_peers() const {
  std::set<int> peers;
  for (const Part& part : parts_)
    if (!part.done()) peers.insert(part.peer);
  return {peers.begin(), peers.end()};
}

/// Transfers with a peer go in the order in which they are listed, for each direction.
bool SharedExchange::waits_for_earlier(size_t part) const {
  const auto end = parts_.begin() + static_cast<std::ptrdiff_t>(part);
  return std::any_of(parts_.begin(), end, [&](const Part& earlier) {
    return !earlier.done() && earlier.peer == parts_[part].peer &&
           earlier.sends() == parts_[part].sends();
  });
}

bool SharedExchange::move_all() {
  bool moved = false;
  for (size_t i = 0; i < parts_.size(); ++i)
    if (!parts_[i].done() && !waits_for_earlier(i)) moved |= move(parts_[i]);
  return moved;
}

/// Whether anything could be moved.
bool SharedExchange::move(Part& part) {
  const int64_t capacity = board_.layout().channel_capacity();
  SharedChannel& channel = part.sends() ? board_.channel(board_.index(), part.peer)
                                        : board_.channel(part.peer, board_.index());
  bool moved = false;
  if (!part.begun) {
    part.begun = part.sends() ? begin_send(part, channel) : begin_receive(part, channel);
    if (!part.begun) return false;
    moved = true;
  }
  while (part.left > 0) {
    const int64_t piece = std::min(part.left, kPieceBytes);
    const int64_t bytes = part.sends() ? channel.put(part.data, piece, capacity)
                                       : channel.take(part.data, piece, capacity);
    if (bytes == 0) break;
    part.data += bytes;
    part.left -= bytes;
    moved = true;
    board_.seat(part.peer).bell.raise();
  }
  return moved;
}

bool SharedExchange::begin_send(Part& part, SharedChannel& channel) {
  const SharedHeader header{part.call, board_.met()};
  std::byte bytes[sizeof header];
  std::memcpy(bytes, &header, sizeof header);
  if (channel.put(bytes, sizeof bytes, board_.layout().channel_capacity()) == 0) return false;
  SharedSeat& peer = board_.seat(part.peer);
  peer.messages.fetch_add(1, std::memory_order_release);
  peer.bell.raise();
  return true;
}

bool SharedExchange::begin_receive(Part& part, SharedChannel& channel) {
  SharedHeader header;
  std::byte bytes[sizeof header];
  if (channel.take(bytes, sizeof bytes, board_.layout().channel_capacity()) == 0) return false;
  board_.seat(board_.index()).messages.fetch_sub(1, std::memory_order_relaxed);
  board_.seat(part.peer).bell.raise();
  std::memcpy(&header, bytes, sizeof header);
  if (!matches(header.call, part.call) || header.met != board_.met())
    board_.break_group(differing_calls(board_.place(), part.call, part.peer, header.call));
  return true;
}

void SharedExchange::check_peers() {
  for (Part& part : parts_)
    if (!part.done()) check_peer(part);
}

// A peer that waits in a meeting, or has left, has put in and taken all that it ever will: unless
// that is enough, the two ranks' calls do not match.
void SharedExchange::check_peer(Part& part) {
  const bool meets = board_.waits_in_meeting(part.peer);
  const bool left = board_.seat(part.peer).left.load(std::memory_order_acquire) != 0;
  if ((!meets && !left) || move_all()) return;
  if (meets)
    board_.break_group(
        differing_calls(board_.place(), part.call, part.peer, board_.post(part.peer)));
  board_.throw_left(part.peer, part.call);
}

}  // namespace swallow
