// The sum of squares for the global gradient norm, exact in the order of its blocks: every block of
// kReduceBlock elements is summed in double in element order, and block sums are added into a
// fixed-point accumulator (base/exact_sum.h) in which addition is associative. How the blocks are
// spread over ranks, buckets and pipeline stages therefore never changes a bit.
// Bandwidth-bound: reads x once.
#pragma once

#include <cstdint>

#include "base/exact_sum.h"
#include "kernels/launch.h"
#include "tensor/tensor.h"

namespace swallow {

/// Elements of a canonical block. Parameters start on block borders, shards too.
inline constexpr int64_t kReduceBlock = 256;

/// sum += sum of x^2. A non-finite element sets the accumulator's non-finite mark.
struct SumSquares {
  Tensor x;    // [n] f32 or f64, starting on a block border
  Tensor sum;  // [ExactSum::kLimbs] i64, added to
  void check() const;
};

namespace cpu {
void run(Stream& stream, const SumSquares& op);
}

namespace cuda {
void run(Stream& stream, const SumSquares& op);
}

}  // namespace swallow
