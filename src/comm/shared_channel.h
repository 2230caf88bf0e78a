// A pipe from one process to another in memory that both map. Whatever one side has put in, it need
// not keep; positions are multiples of 64 bytes, so that copies stay aligned.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/math.h"

namespace swallow {

class SharedChannel {
 public:
  static constexpr int64_t kAlignment = 64;

  /// Of a channel that holds `capacity` bytes, a multiple of kAlignment.
  static constexpr int64_t bytes_for(int64_t capacity) noexcept {
    return static_cast<int64_t>(sizeof(SharedChannel)) + capacity;
  }

  // Both move what there is room or data for, at most `bytes`, and return how much that was. All
  // that a message is moved in but its last piece are multiples of kAlignment, as capacity is.
  int64_t put(const std::byte* from, int64_t bytes, int64_t capacity) noexcept {
    const int64_t begin = put_.load(std::memory_order_relaxed);
    const int64_t room = capacity - (begin - taken_.load(std::memory_order_acquire));
    const int64_t moved = std::min(bytes, room);
    const Place at = place(begin, moved, capacity);
    std::memcpy(at.start, from, at.first);
    std::memcpy(data(), from + at.first, static_cast<size_t>(moved) - at.first);
    put_.store(begin + round_up(moved, kAlignment), std::memory_order_release);
    return moved;
  }
  int64_t take(std::byte* to, int64_t bytes, int64_t capacity) noexcept {
    const int64_t begin = taken_.load(std::memory_order_relaxed);
    const int64_t there = put_.load(std::memory_order_acquire) - begin;
    const int64_t moved = std::min(bytes, there);
    const Place at = place(begin, moved, capacity);
    std::memcpy(to, at.start, at.first);
    std::memcpy(to + at.first, data(), static_cast<size_t>(moved) - at.first);
    taken_.store(begin + round_up(moved, kAlignment), std::memory_order_release);
    return moved;
  }
  /// The receiver's look at the next bytes, which must lie in one piece; null when there are none.
  [[nodiscard]] const std::byte* front(int64_t capacity) noexcept {
    const int64_t begin = taken_.load(std::memory_order_relaxed);
    if (put_.load(std::memory_order_acquire) == begin) return nullptr;
    return data() + begin % capacity;
  }

 private:
  struct Place {
    std::byte* start;
    size_t first;  // bytes before the end; the rest is at the begin
  };
  [[nodiscard]] std::byte* data() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
  [[nodiscard]] Place place(int64_t position, int64_t bytes, int64_t capacity) noexcept {
    const int64_t offset = position % capacity;
    return {data() + offset, static_cast<size_t>(std::min(bytes, capacity - offset))};
  }

  alignas(kAlignment) std::atomic<int64_t> put_;    // bytes so far, by the sender alone
  alignas(kAlignment) std::atomic<int64_t> taken_;  // likewise, by the receiver
  static_assert(std::atomic<int64_t>::is_always_lock_free);
};

}  // namespace swallow
