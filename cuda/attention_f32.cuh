// What the passes of fp32 attention share: tiles of heads in shared memory, their products, and how
// threads own them. A block owns a tile of tokens of one head and walks over tiles of the other
// side; eight neighbours in a warp own a row of it.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "base/check.h"
#include "base/math.h"
#include "kernel_launch.h"
#include "kernels/attention.h"

namespace swallow::cuda {

inline constexpr int kRowThreads = 8;  // neighbours in a warp share a row of a tile
inline constexpr int kBlocks = 2;  // at least, on a multiprocessor: registers go before occupancy

/// Tiles of kDim columns, a multiple of 32 that holds the head dimension. Four of them, and two of
/// scores, fit into 48 KiB.
template <int kDim>
struct Tile {
  static constexpr int kRows = kDim > 64 ? 16 : 32;
  static constexpr int kThreads = kRows * kRowThreads;
  static constexpr int kVectors = kDim / 4;
  static constexpr int kSums = kDim / (4 * kRowThreads);  // vectors of a row that a thread owns
  static constexpr int kScores = kRows / kRowThreads;     // scores of a row that a thread owns

  float4 row[kRows][kVectors + 1];  // the odd stride keeps rows in different banks
};

template <int kDim>
struct ScoreTile {
  float row[Tile<kDim>::kRows][Tile<kDim>::kRows + 1];
};

/// Tokens of one head: token i at data + i * stride.
struct Head {
  float* data;
  int64_t stride;
};

struct Sizes {
  int s, b, n, k, d;
};

/// Head `slot` of [s, b, slots, d].
__device__ inline Head head_of(float* data, const Sizes& x, int slots, int batch, int slot) {
  return {data + (int64_t{batch} * slots + slot) * x.d, int64_t{x.b} * slots * x.d};
}

/// Where a head's rows begin in [b, n, s].
__device__ inline int64_t row_of(const Sizes& x, int batch, int head) {
  return (int64_t{batch} * x.n + head) * x.s;
}

/// Tokens [first, first + kRows), zero behind the sequence's end and the head dimension.
template <int kDim>
__device__ void load(Tile<kDim>& tile, const Head& head, int first, const Sizes& x) {
  for (int i = static_cast<int>(threadIdx.x); i < Tile<kDim>::kRows * Tile<kDim>::kVectors;
       i += Tile<kDim>::kThreads) {
    const int row = i / Tile<kDim>::kVectors;
    const int column = i % Tile<kDim>::kVectors;
    const bool inside = first + row < x.s && 4 * column < x.d;
    tile.row[row][column] =
        inside
            ? *reinterpret_cast<const float4*>(head.data + (first + row) * head.stride + 4 * column)
            : float4{0, 0, 0, 0};
  }
}

template <int kDim>
__device__ float dot(const Tile<kDim>& a, int i, const Tile<kDim>& b, int j) {
  float sum = 0;
#pragma unroll 4
  for (int e = 0; e < Tile<kDim>::kVectors; ++e) {
    const float4 x = a.row[i][e];
    const float4 y = b.row[j][e];
    sum += x.x * y.x + x.y * y.y + x.z * y.z + x.w * y.w;
  }
  return sum;
}

/// One row of a product: vectors lane, lane + 8, ... of `sums` += weights * tile.
template <int kDim>
__device__ void add_product(float4 (&sums)[Tile<kDim>::kSums],
                            const float (&weights)[Tile<kDim>::kRows + 1], const Tile<kDim>& tile,
                            int lane) {
#pragma unroll 4
  for (int j = 0; j < Tile<kDim>::kRows; ++j) {
    const float weight = weights[j];
#pragma unroll
    for (int c = 0; c < Tile<kDim>::kSums; ++c) {
      const float4 x = tile.row[j][lane + kRowThreads * c];
      sums[c].x += weight * x.x;
      sums[c].y += weight * x.y;
      sums[c].z += weight * x.z;
      sums[c].w += weight * x.w;
    }
  }
}

/// The row of `token`, times `factor`.
template <int kDim>
__device__ void store(const Head& head, int token, const Sizes& x, int lane, float factor,
                      const float4 (&sums)[Tile<kDim>::kSums]) {
  if (token >= x.s) return;
#pragma unroll
  for (int c = 0; c < Tile<kDim>::kSums; ++c) {
    const int column = 4 * (lane + kRowThreads * c);
    if (column < x.d)
      *reinterpret_cast<float4*>(head.data + token * head.stride + column) = {
          factor * sums[c].x, factor * sums[c].y, factor * sums[c].z, factor * sums[c].w};
  }
}

/// Over the threads of a row, in a fixed order; all of them get the result.
__device__ inline float row_max(float value) {
  for (int i = 1; i < kRowThreads; i *= 2) value = fmaxf(value, __shfl_xor_sync(~0U, value, i));
  return value;
}
__device__ inline float row_sum(float value) {
  for (int i = 1; i < kRowThreads; i *= 2) value += __shfl_xor_sync(~0U, value, i);
  return value;
}

/// Block x of a grid over tiles, then heads, then the batch.
struct BlockPlace {
  int tile, head, batch;
};
__device__ inline BlockPlace block_place(int tiles, int heads) {
  const auto block = static_cast<int>(blockIdx.x);
  return {block % tiles, block / tiles % heads, block / (tiles * heads)};
}

/// Calls fn with the number of columns, as a type, that the head dimension is padded to.
template <class Fn>
void visit_columns(int64_t head_dim, Fn&& fn) {
  if (head_dim <= 32) return fn(std::integral_constant<int, 32>{});
  if (head_dim <= 64) return fn(std::integral_constant<int, 64>{});
  SWALLOW_CHECK(head_dim <= 128, "attention with head dimension {}", head_dim);
  fn(std::integral_constant<int, 128>{});
}

/// A block per tile of tokens of each of `heads` heads.
template <int kDim>
LaunchShape tiles(const AttentionShape& x, int64_t heads) {
  return row_of_blocks(ceil_div(x.sequence, Tile<kDim>::kRows) * heads * x.batch,
                       Tile<kDim>::kThreads);
}

inline Sizes sizes_of(const AttentionShape& x) {
  return {narrow<int>(x.sequence), narrow<int>(x.batch), narrow<int>(x.heads),
          narrow<int>(x.kv_heads), narrow<int>(x.head_dim)};
}

}  // namespace swallow::cuda
