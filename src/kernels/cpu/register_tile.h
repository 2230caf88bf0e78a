// The innermost loop of every matrix product of our own: a few rows of c are kept in registers
// while a runs along the depth. Uses the compilers' vector extension, so the one source serves all
// instruction sets; each element is summed in rising depth.
#pragma once

#include <cstdint>

namespace swallow::cpu {

inline constexpr int64_t kVectorBytes = 32;  // AVX2; wider and narrower machines split or pair it
template <class Acc>
inline constexpr int64_t kLanes = kVectorBytes / static_cast<int64_t>(sizeof(Acc));
/// Columns of a register tile: rows of b and c are padded to a multiple of it.
template <class Acc>
inline constexpr int64_t kTileWidth = 2 * kLanes<Acc>;

/// A left operand of any strides, so a transpose costs nothing: element (i, p) at
/// data[i * row_stride + p * depth_stride].
template <class Acc>
struct LeftOperand {
  const Acc* data;
  int64_t row_stride;
  int64_t depth_stride;
};

/// c[kRows, kTileWidth] += a[kRows, depth] b[depth, kTileWidth]. Rows of b and c lie `b_stride` and
/// `c_stride` apart and are aligned to vectors.
template <int64_t kRows, class Acc>
inline void multiply_registers(const LeftOperand<Acc>& a, const Acc* b, int64_t b_stride,
                               int64_t depth, Acc* c, int64_t c_stride) {
  typedef Acc Vector __attribute__((vector_size(kVectorBytes), may_alias));
  constexpr int64_t lanes = kLanes<Acc>;
  Vector sums[kRows][2];
  for (int64_t i = 0; i < kRows; ++i)
    for (int64_t j = 0; j < 2; ++j)
      sums[i][j] = *reinterpret_cast<const Vector*>(c + i * c_stride + j * lanes);
  const Acc* column = a.data;
  for (int64_t p = 0; p < depth; ++p, b += b_stride, column += a.depth_stride) {
    const Vector left = *reinterpret_cast<const Vector*>(b);
    const Vector right = *reinterpret_cast<const Vector*>(b + lanes);
#pragma GCC unroll 8
    for (int64_t i = 0; i < kRows; ++i) {
      sums[i][0] += column[i * a.row_stride] * left;
      sums[i][1] += column[i * a.row_stride] * right;
    }
  }
  for (int64_t i = 0; i < kRows; ++i)
    for (int64_t j = 0; j < 2; ++j)
      *reinterpret_cast<Vector*>(c + i * c_stride + j * lanes) = sums[i][j];
}

}  // namespace swallow::cpu
