#include "comm/shared_flag.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>

namespace swallow {

// Whoever raises looks for sleepers after it has changed the value, and a sleeper counts itself
// before the system compares the value: one of the two sees the other.
void SharedFlag::raise() noexcept {
  value_.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) > 0)
    syscall(SYS_futex, &value_, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

void SharedFlag::sleep(uint32_t seen, std::chrono::milliseconds limit) noexcept {
  const timespec time{.tv_sec = limit.count() / 1000, .tv_nsec = limit.count() % 1000 * 1'000'000};
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  syscall(SYS_futex, &value_, FUTEX_WAIT, seen, &time, nullptr, 0);
  sleepers_.fetch_sub(1, std::memory_order_seq_cst);
}

}  // namespace swallow
