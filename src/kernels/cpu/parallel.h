// How CPU ops share work over the threads of their stream. An item is always computed whole by one
// thread, so results never depend on the number of threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/math.h"
#include "device/device.h"

namespace swallow::cpu {

/// body(i) for every i < count, in contiguous ranges of i per thread. The body must not throw.
template <class Body>
void parallel_for(const Stream& stream, int64_t count, const Body& body) {
  [[maybe_unused]] const int threads =
      static_cast<int>(std::min<int64_t>(stream.num_threads(), count));
#ifdef _OPENMP
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
#endif
  for (int64_t i = 0; i < count; ++i) body(i);
}

/// body(begin, end) for consecutive blocks of `block` elements that cover [0, count).
template <class Body>
void parallel_blocks(const Stream& stream, int64_t count, int64_t block, const Body& body) {
  parallel_for(stream, ceil_div(count, block),
               [&](int64_t i) { body(i * block, std::min(count, (i + 1) * block)); });
}

/// Elements of a block in element-wise loops: enough to hide the cost of handing it out.
inline constexpr int64_t kElementwiseBlock = 4096;
/// Columns of a block where rows are summed: long enough to stream, small enough for a stack array.
inline constexpr int64_t kColumnBlock = 256;

}  // namespace swallow::cpu
