// What attention's passes (avx512_attention_passes.h) are made of, in 512-bit vectors and for any
// kind of product. `Operands` says how operands of products lie and multiplies them; all sums and
// softmax are f32. Scores are [kWideTile, kStrip] with what is summed over along the rows, and
// results are summed transposed, [head_dim, kStrip], so that the factors of a token are a vector.
// Internal to each file that includes it.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/cpu/attention_kernels.h"
#include "kernels/cpu/avx512_vectors.h"

namespace swallow::cpu {
namespace {

constexpr int64_t kLanes = 16;
/// Columns of scores that are worked on at once: what is stored for them stays within L1.
constexpr int64_t kStrip = 32;
constexpr int64_t kGroups = kStrip / kLanes;
constexpr int64_t kTaskStrips = kTaskTiles * kWideTile / kStrip;
constexpr float kLog2E = 0x1.715476p+0F;
constexpr float kLn2 = 0x1.62e43p-1F;

/// 2^x to 2 units in the last place; 2^-126 below -126, NaN for NaN. With f = x - floor(x), 2^f - 1
/// is f times the polynomial whose error relative to 2^f is least on [0, 1]: 8e-8.
inline __m512 exp2_of(__m512 x) {
  const __m512 normal = _mm512_max_ps(_mm512_set1_ps(-126.0F), x);
  const __m512 f = _mm512_reduce_ps(normal, _MM_FROUND_TO_NEG_INF);
  __m512 series = _mm512_set1_ps(0x1.e974fap-10F);
  series = _mm512_fmadd_ps(series, f, _mm512_set1_ps(0x1.277856p-7F));
  series = _mm512_fmadd_ps(series, f, _mm512_set1_ps(0x1.c91ce6p-5F));
  series = _mm512_fmadd_ps(series, f, _mm512_set1_ps(0x1.ebdb56p-3F));
  series = _mm512_fmadd_ps(series, f, _mm512_set1_ps(0x1.62e4bap-1F));
  series = _mm512_fmadd_ps(series, f, _mm512_set1_ps(1.0F));
  return _mm512_scalef_ps(series, normal);
}

/// Tokens [begin, begin + count) of a head.
template <class Element>
struct TokenTile {
  Element* data;
  int64_t stride, count, head_dim;

  /// The tokens from `begin` on.
  [[nodiscard]] TokenTile from(int64_t begin) const {
    return {data + begin * stride, stride, count - begin, head_dim};
  }
};

template <class Operands, class Task>
TokenTile<typename Operands::Element> tile_of(const Task& task, const TokenRows& rows,
                                              int64_t tile) {
  const int64_t begin = tile * kWideTile;
  const int64_t left = task.sequence - begin;
  auto* data = static_cast<typename Operands::Element*>(rows.data);
  return {data + begin * rows.stride, rows.stride, left < kWideTile ? left : kWideTile,
          task.head_dim};
}

/// Asks for rows [begin, end) of those that are there: they lie far apart, and the machine does not
/// guess them. In assembly, since GCC drops calls of functions that do nothing but ask.
template <class Element>
void prefetch_rows(const TokenTile<Element>& x, int64_t begin, int64_t end) {
  const auto bytes = x.head_dim * static_cast<int64_t>(sizeof(Element));
  for (int64_t i = begin; i < end && i < x.count; ++i)
    for (int64_t at = 0; at < bytes; at += 64)
      asm volatile("prefetcht1 %0"
                   :
                   : "m"(*(reinterpret_cast<const char*>(x.data + i * x.stride) + at)));
}

/// One thread's memory; D is the head dimension padded to Operands::kDepthStep.
template <class Operands>
struct Scratch {
  using Packed = typename Operands::Packed;
  int64_t depth;          // D
  Packed* rows[2];        // [kWideTile, D]: tokens as rows of a left operand
  Packed* transposed[2];  // [D, kWideTile]: head_dim as rows of a left operand
  Packed* own_columns;    // 2 a strip of the task, D by kStrip: tokens as columns
  float* scores[2];       // [kWideTile, kStrip]; then, in their place, a right operand
  float* of_rows[2];      // [kWideTile]
  float* own_sums;        // 2 a strip of the task, [D, kStrip]
  float* own_vectors;     // 2 a strip of the task, [kStrip]

  static int64_t padded(int64_t head_dim) {
    return (head_dim + Operands::kDepthStep - 1) / Operands::kDepthStep * Operands::kDepthStep;
  }
  static int64_t bytes(int64_t head_dim) {
    const int64_t d = padded(head_dim);
    const int64_t packed = 4 * kWideTile * d + 2 * kTaskStrips * kStrip * d;
    const int64_t plain = 2 * kWideTile * (kStrip + 1) + 2 * kTaskStrips * kStrip * (d + 1);
    return packed * static_cast<int64_t>(sizeof(Packed)) + plain * 4;
  }
  Scratch(void* memory, int64_t head_dim) : depth(padded(head_dim)) {
    auto* packed = static_cast<Packed*>(memory);
    for (int i = 0; i < 2; ++i, packed += kWideTile * depth) rows[i] = packed;
    for (int i = 0; i < 2; ++i, packed += kWideTile * depth) transposed[i] = packed;
    own_columns = packed;
    auto* plain = reinterpret_cast<float*>(packed + 2 * kTaskStrips * kStrip * depth);
    for (int i = 0; i < 2; ++i, plain += kWideTile * kStrip) scores[i] = plain;
    for (int i = 0; i < 2; ++i, plain += kWideTile) of_rows[i] = plain;
    own_sums = plain;
    own_vectors = plain + 2 * kTaskStrips * kStrip * depth;
  }
  [[nodiscard]] Packed* columns(int i, int64_t strip) const {
    return own_columns + (2 * strip + i) * kStrip * depth;
  }
  [[nodiscard]] float* sums(int i, int64_t strip) const {
    return own_sums + (2 * strip + i) * kStrip * depth;
  }
  [[nodiscard]] float* vector(int i, int64_t strip) const {
    return own_vectors + (2 * strip + i) * kStrip;
  }
};

/// `count` is a multiple of kLanes.
inline void fill(float* x, int64_t count, float value) {
  for (int64_t i = 0; i < count; i += kLanes) _mm512_storeu_ps(x + i, _mm512_set1_ps(value));
}

/// Which columns of a tile of scores may meet a row: all below the diagonal; on it, with keys as
/// rows and queries as columns, those from the row on; the other way round, those up to the row.
enum class Causal : uint8_t { all, from, up_to };

/// The scores of one strip of a task: rows [begin, end) of a tile are those that meet its columns.
struct Unit {
  int64_t strip;
  int64_t begin, end;
  bool diagonal;

  /// Where the strip begins in its tile.
  [[nodiscard]] int64_t column() const { return strip * kStrip % kWideTile; }
  [[nodiscard]] int64_t rows() const { return end - begin; }
};

template <Causal causal>
__mmask16 visible(int64_t row, int64_t column) {
  if constexpr (causal == Causal::all) return 0xffff;
  const int64_t lane = row - column;  // of the diagonal
  if constexpr (causal == Causal::from)
    return static_cast<__mmask16>(lane <= 0 ? 0xffff : lane > 15 ? 0 : 0xffffU << lane);
  return static_cast<__mmask16>(lane < 0 ? 0 : lane >= 15 ? 0xffff : 0xffffU >> (15 - lane));
}

/// to[tokens, head_dim] = factor * sums transposed for at most kStrip tokens, `factor` one for
/// each.
template <class Operands>
void store_transposed(const float* sums, const float* factor,
                      const TokenTile<typename Operands::Element>& to) {
  for (int64_t group = 0; group < kGroups && group * kLanes < to.count; ++group) {
    const __m512 factors = _mm512_loadu_ps(factor + group * kLanes);
    const int64_t left = to.count - group * kLanes;
    for (int64_t d = 0; d < to.head_dim; d += kLanes) {
      __m512i square[16];
      for (int64_t i = 0; i < kLanes; ++i)
        square[i] = _mm512_castps_si512(
            _mm512_mul_ps(_mm512_loadu_ps(sums + (d + i) * kStrip + group * kLanes), factors));
      transpose_square(square);
      const int64_t room = to.head_dim - d;
      const __mmask16 lanes = first_lanes(room < kLanes ? room : kLanes);
      for (int64_t i = 0; i < kLanes && i < left; ++i)
        Operands::store(to.data + (group * kLanes + i) * to.stride + d, lanes,
                        _mm512_castsi512_ps(square[i]));
    }
  }
}

/// What Operands::multiply computes, for `rows` rows of c, a multiple of Operands::kDepthStep.
enum class Product : uint8_t {
  scores,   // c[rows, kStrip] = a b: a [rows, depth] of rows, b depth by kStrip of columns
  results,  // c[rows, kStrip] += a b: a [rows, depth] of transposed tokens, b depth by kStrip,
            // scores
};

/// Operands::multiply in `units` of 32 bits along the depth. `dot` adds the product of two units to
/// a sum. Rows are a multiple of 8.
template <Product product, class Dot>
void multiply_broadcast(const void* a_units, int64_t stride, const void* b_units, int64_t b_stride,
                        int64_t rows, int64_t units, float* c, const Dot& dot) {
  constexpr int64_t kRows = 8;
  const auto* a = static_cast<const float*>(a_units);
  const auto* b = static_cast<const float*>(b_units);
  for (int64_t row = 0; row < rows; row += kRows, a += kRows * stride, c += kRows * kStrip) {
    __m512 sums[kRows][kGroups];
    for (int64_t i = 0; i < kRows; ++i)
      for (int64_t j = 0; j < kGroups; ++j)
        sums[i][j] = product == Product::results ? _mm512_loadu_ps(c + i * kStrip + j * kLanes)
                                                 : _mm512_setzero_ps();
    for (int64_t p = 0; p < units; ++p) {
      __m512 right[kGroups];
      for (int64_t j = 0; j < kGroups; ++j)
        right[j] = _mm512_loadu_ps(b + p * b_stride + j * kLanes);
#pragma GCC unroll 8
      for (int64_t i = 0; i < kRows; ++i) {
        const __m512 left = _mm512_set1_ps(a[i * stride + p]);
#pragma GCC unroll 2
        for (int64_t j = 0; j < kGroups; ++j) sums[i][j] = dot(sums[i][j], left, right[j]);
      }
    }
    for (int64_t i = 0; i < kRows; ++i)
      for (int64_t j = 0; j < kGroups; ++j)
        _mm512_storeu_ps(c + i * kStrip + j * kLanes, sums[i][j]);
  }
}

}  // namespace
}  // namespace swallow::cpu
