// Row-wise ops with much arithmetic to a cache line have few lines on their way at a time, which
// leaves them waiting: a softmax of rows in the outer caches ran at a third of its speed in the
// inner ones. So they ask for the rows that come next.
#pragma once

#include <cstdint>

#include "base/math.h"

namespace swallow::cpu {

/// Asks for the cache lines of `count` elements, which need not be there.
template <class T>
[[gnu::always_inline]] inline void prefetch(const T* data, int64_t count) {
  constexpr int64_t kLine = 64;
  const auto* bytes = reinterpret_cast<const char*>(data);
  for (int64_t at = 0; at < count * int64_t{sizeof(T)}; at += kLine) __builtin_prefetch(bytes + at);
}

/// How many rows of `width` elements lie between the one that is worked on and the one to ask for.
constexpr int64_t rows_ahead(int64_t width) {
  constexpr int64_t kElements = 2048;  // some microseconds of work
  return width > 0 ? ceil_div(kElements, width) : 1;
}

}  // namespace swallow::cpu
