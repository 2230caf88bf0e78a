// A counter in memory that processes share, on which some sleep until others raise it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace swallow {

class SharedFlag {
 public:
  [[nodiscard]] uint32_t value() const noexcept { return value_.load(std::memory_order_seq_cst); }
  /// Publishes what was written before, and wakes whoever sleeps; a system call only then.
  void raise() noexcept;
  /// Until the value differs from `seen` or `limit` has passed; may wake for no reason.
  void sleep(uint32_t seen, std::chrono::milliseconds limit) noexcept;

 private:
  std::atomic<uint32_t> value_;
  std::atomic<uint32_t> sleepers_;
  static_assert(std::atomic<uint32_t>::is_always_lock_free);
};

}  // namespace swallow
