// What lies where in the memory that the ranks of a group share: the hall where they meet, a seat
// and a window for each, a channel from each to each. A new segment is full of zeros, which is the
// state in which all of it begins. Pages that nobody touches take no memory, so the channels of
// pairs that never talk are free.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/math.h"
#include "comm/call.h"
#include "comm/shared_channel.h"
#include "comm/shared_flag.h"

namespace swallow {

/// One for the group.
struct SharedHall {
  enum : uint32_t { whole, breaking, broken };
  alignas(64) std::atomic<uint64_t> arrivals;  // at all meetings so far
  alignas(64) SharedFlag opened;               // how many meetings were complete, modulo 2^32
  alignas(64) std::atomic<uint32_t> state;
  std::array<char, 1000> reason;  // with a zero at its end; readable when broken
};

/// One for each rank.
struct SharedSeat {
  alignas(64) SharedFlag bell;    // raised when a channel from or to this rank has moved
  std::atomic<uint32_t> left;     // the rank will make no more calls
  std::atomic<int32_t> messages;  // sent to this rank and not begun to be taken
  alignas(64) std::atomic<uint64_t> arrived;  // meetings that this rank has come to
  std::array<Call, 2> posts;                  // what it came for, by the meeting's parity
};

class SharedLayout {
 public:
  explicit SharedLayout(int size) noexcept
      : size_(size),
        window_bytes_(std::max(std::clamp(kWindowsBytes / size, kLeastWindow, kMostWindow),
                               int64_t{64} * size)),
        channel_capacity_(std::clamp(kChannelsBytes / size / size, kLeastChannel, kMostChannel) /
                          64 * 64) {}

  [[nodiscard]] int64_t bytes() const noexcept { return channel_offset(size_, 0); }
  /// What a rank can show to the others in one meeting; a multiple of 64, and 64 for each of them.
  [[nodiscard]] int64_t window_bytes() const noexcept { return window_bytes_; }
  /// What is taken in before the receiver comes; a multiple of 64.
  [[nodiscard]] int64_t channel_capacity() const noexcept { return channel_capacity_; }

  [[nodiscard]] static SharedHall& hall(std::byte* base) noexcept {
    return *reinterpret_cast<SharedHall*>(base);
  }
  [[nodiscard]] static SharedSeat& seat(std::byte* base, int rank) noexcept {
    return *reinterpret_cast<SharedSeat*>(base + kSeatsOffset +
                                          rank * static_cast<int64_t>(sizeof(SharedSeat)));
  }
  /// Two of them, so that the next meeting's can be filled while the last one's are still read.
  [[nodiscard]] std::byte* window(std::byte* base, int rank, uint64_t meeting) const noexcept {
    return base + windows_offset() + (2 * rank + static_cast<int64_t>(meeting % 2)) * window_bytes_;
  }
  [[nodiscard]] SharedChannel& channel(std::byte* base, int from, int to) const noexcept {
    return *reinterpret_cast<SharedChannel*>(base + channel_offset(from, to));
  }

 private:
  // Small enough to stay in the cache between the one who writes and those who read, large enough
  // that meeting costs little. The sums over the ranks bound what hundreds of them may touch.
  static constexpr int64_t kMostWindow = int64_t{256} << 10, kLeastWindow = int64_t{64} << 10;
  static constexpr int64_t kWindowsBytes = int64_t{16} << 20;
  // The activations of one micro-batch between two stages of a small model: a sender need not wait.
  static constexpr int64_t kMostChannel = int64_t{1} << 20, kLeastChannel = int64_t{16} << 10;
  static constexpr int64_t kChannelsBytes = int64_t{4} << 30;
  static constexpr int64_t kSeatsOffset = round_up(int64_t{sizeof(SharedHall)}, 64);
  static constexpr int64_t kPage = 4096;

  [[nodiscard]] int64_t windows_offset() const noexcept {
    return round_up(kSeatsOffset + size_ * static_cast<int64_t>(sizeof(SharedSeat)), kPage);
  }
  [[nodiscard]] int64_t channel_offset(int from, int to) const noexcept {
    const int64_t stride = round_up(SharedChannel::bytes_for(channel_capacity_), kPage);
    return windows_offset() + 2 * size_ * window_bytes_ +
           (static_cast<int64_t>(from) * size_ + to) * stride;
  }

  int size_;
  int64_t window_bytes_;
  int64_t channel_capacity_;
};

}  // namespace swallow
