// Operands of products of bf16 pairs (see avx512_attention.h): left ones are rows of elements,
// right ones hold two steps of depth side by side in each column. Internal to each file that
// includes it.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/cpu/avx512_attention_passes.h"

namespace swallow::cpu {
namespace {

struct Bf16Operands {
  using Element = uint16_t;
  using Packed = uint16_t;
  static constexpr int64_t kDepthStep = 32;

  static __m512 load(const uint16_t* from, __mmask16 lanes) {
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, from)), 16));
  }
  static void store(uint16_t* to, __mmask16 lanes, __m512 value) {
    const __m256bh rounded = _mm512_cvtneps_pbh(value);
    _mm256_mask_storeu_epi16(to, lanes, reinterpret_cast<const __m256i&>(rounded));
  }
  /// A right operand of scores lies in their place: rows `row` and `row` + 1 in that of `row`.
  static constexpr int64_t kRightBytes = 2 * kStrip * 4;  // from pair to pair
  static void store_right(float* scores, int64_t row, int64_t group, __m512 even, __m512 odd) {
    const __m512bh rounded = _mm512_cvtne2ps_pbh(odd, even);  // the evens are the lower half
    const __m512i by_turns =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    _mm512_storeu_si512(
        scores + row * kStrip + group * kLanes,
        _mm512_permutexvar_epi16(by_turns, reinterpret_cast<const __m512i&>(rounded)));
  }
  static void pack_rows(const TokenTile<uint16_t>& x, int64_t depth, uint16_t* rows) {
    for (int64_t i = 0; i < kWideTile; i += kLanes)
      for (int64_t d = 0; d < depth; d += 32) {
        __m512i square[16];
        load_rows(x.data + i * x.stride + d, x.stride, x.count - i, x.head_dim - d, square);
        for (int64_t j = 0; j < kLanes; ++j)
          _mm512_storeu_si512(rows + (i + j) * depth + d, square[j]);
      }
  }
  /// Strips lie `strip_stride` elements apart.
  static void pack_columns(const TokenTile<uint16_t>& x, int64_t depth, uint16_t* columns,
                           int64_t strip_stride) {
    for (int64_t i = 0; i < kWideTile; i += kLanes)
      for (int64_t d = 0; d < depth; d += 32) {
        __m512i square[16];
        load_rows(x.data + i * x.stride + d, x.stride, x.count - i, x.head_dim - d, square);
        transpose_square(square);
        uint16_t* const to = columns + i / kStrip * strip_stride + 2 * (i % kStrip);
        for (int64_t j = 0; j < kLanes; ++j)
          _mm512_storeu_si512(to + (d / 2 + j) * 2 * kStrip, square[j]);
      }
  }
  static void pack_transposed(const TokenTile<uint16_t>& x, int64_t depth, uint16_t* rows) {
    for (int64_t i = 0; i < kWideTile; i += 32)
      for (int64_t d = 0; d < depth; d += kLanes) {
        __m512i square[16];
        load_pairs(x.data + i * x.stride + d, x.stride, x.count - i, x.head_dim - d, square);
        transpose_square(square);
        for (int64_t j = 0; j < kLanes; ++j)
          _mm512_storeu_si512(rows + (d + j) * kWideTile + i, square[j]);
      }
  }
};

}  // namespace
}  // namespace swallow::cpu
