// The arithmetic of reductions, shared by every transport so that all give the same bits.
#pragma once

#include <cstdint>
#include <span>

#include "comm/communicator.h"

namespace swallow {

/// output[i] = inputs[0][i] op inputs[1][i] op ..., in this order, in the accumulation type (f32
/// for bf16; f64 and i64 in themselves), rounded once. i64 sums wrap; a NaN operand makes a maximum
/// NaN. `output` may be one of the inputs. Types: f32, bf16, f64, i64.
void reduce_in_order(DType dtype, ReduceOp op, void* output, std::span<const void* const> inputs,
                     int64_t count);

/// A contiguous range of elements.
struct Slice {
  int64_t begin = 0;
  int64_t end = 0;
  [[nodiscard]] int64_t count() const noexcept { return end - begin; }
};

/// The part of `count` elements that `rank` of `size` owns; sizes differ by at most one.
constexpr Slice slice_of(int64_t count, int rank, int size) {
  const int64_t base = count / size;
  const int64_t extra = count % size;
  const int64_t begin = base * rank + (rank < extra ? rank : extra);
  return {begin, begin + base + (rank < extra ? 1 : 0)};
}

}  // namespace swallow
