// Row-wise ops with much arithmetic to a cache line have few lines on their way at a time, which
// leaves them waiting: a softmax of rows in the outer caches ran at a third of its speed in the
// inner ones. So they ask for the rows that come next.
#pragma once

#include <algorithm>
#include <cstdint>

namespace swallow::cpu {

/// Asks for the cache lines of `count` elements, which need not be there.
template <class T>
[[gnu::always_inline]] inline void prefetch(const T* data, int64_t count) {
  constexpr int64_t kLine = 64;
  const auto* bytes = reinterpret_cast<const char*>(data);
  for (int64_t at = 0; at < count * int64_t{sizeof(T)}; at += kLine) __builtin_prefetch(bytes + at);
}

/// Asks for as many elements as the row that is about to be worked on has, a row or some
/// microseconds of work behind it. Rows lie one after the other.
template <class T>
[[gnu::always_inline]] inline void prefetch_after(const T* row, int64_t width) {
  constexpr int64_t kLeastDistance = 2048;
  prefetch(row + std::max(width, kLeastDistance), width);
}

}  // namespace swallow::cpu
