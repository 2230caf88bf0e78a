// Rotary position embedding in Llama's half-split form (Su et al., arXiv 2104.09864): for i < d/2,
// (u, w) = (x[i], x[i + d/2]) turns by the angle position * base^(-2i/d). Angles are computed in
// double and kept as f32 tables; a bf16 angle would make positions above 256 collide.
// Bandwidth-bound: reads and writes the query and key heads once.
#pragma once

#include <cstdint>

#include "kernels/launch.h"
#include "tensor/tensor.h"

namespace swallow {

/// Fills table = [cos | sin] of every (position, i). Host code: the tensor must be host memory.
void fill_rope_table(const Tensor& table, double base);  // [s, d] f32: d/2 cosines, then d/2 sines

enum class RopeDirection : uint8_t { forward, backward };  // backward turns the other way

/// Turns the first `heads` heads of every row, in place.
struct Rope {
  Tensor qkv;         // [s, b, (n + 2k)/t * d]: query heads, key heads, value heads
  Tensor table;       // [s, d] f32
  int64_t heads = 0;  // (n + k)/t: value heads do not turn
  RopeDirection direction = RopeDirection::forward;
  void check() const;
};

namespace cpu {
void run(Stream& stream, const Rope& op);
}
namespace cuda {
void run(Stream& stream, const Rope& op);
}

}  // namespace swallow
