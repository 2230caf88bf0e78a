// What the files compiled for AVX-512 share: parts of a register, and sixteen registers as a
// square. Internal to each of them, see panel_kernels.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace swallow::cpu {
namespace {

/// Bit i set for i < count; count in [0, 16].
inline __mmask16 first_lanes(int64_t count) {
  return static_cast<__mmask16>((1U << static_cast<unsigned>(count)) - 1U);
}
inline __mmask32 first_lanes_of_32(int64_t count) {
  return static_cast<__mmask32>((uint64_t{1} << static_cast<unsigned>(count)) - 1U);
}

/// Element j of x[i] becomes element i of x[j].
inline void transpose_square(__m512i (&x)[16]) {
  __m512i y[16];
  for (int i = 0; i < 16; i += 2) {  // pairs of rows
    y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {  // fours of rows: 4 x 4 blocks are done within each lane
    x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
    x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
    x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
    x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {  // now a 4 x 4 transpose of lanes
    const __m512i low = _mm512_shuffle_i32x4(x[i], x[i + 4], 0x44);
    const __m512i high = _mm512_shuffle_i32x4(x[i], x[i + 4], 0xee);
    const __m512i low2 = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0x44);
    const __m512i high2 = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0xee);
    y[i] = _mm512_shuffle_i32x4(low, low2, 0x88);
    y[i + 4] = _mm512_shuffle_i32x4(low, low2, 0xdd);
    y[i + 8] = _mm512_shuffle_i32x4(high, high2, 0x88);
    y[i + 12] = _mm512_shuffle_i32x4(high, high2, 0xdd);
  }
  for (int i = 0; i < 16; ++i) x[i] = y[i];
}

/// 16 rows of 32 bf16 elements, of which `rows` and `columns` are there and the others 0.
inline void load_rows(const uint16_t* data, int64_t stride, int64_t rows, int64_t columns,
                      __m512i (&x)[16]) {
  const __mmask32 lanes = first_lanes_of_32(columns < 32 ? columns : 32);
  for (int64_t i = 0; i < 16; ++i)
    x[i] = i < rows ? _mm512_maskz_loadu_epi16(lanes, data + i * stride) : _mm512_setzero_si512();
}

/// 32 rows of 16 bf16 elements by twos: x[i] has row 2i in its lower halves, row 2i + 1 in its
/// upper ones.
inline void load_pairs(const uint16_t* data, int64_t stride, int64_t rows, int64_t columns,
                       __m512i (&x)[16]) {
  const int64_t count = columns < 0 ? 0 : columns;
  const __mmask16 lanes = first_lanes(count < 16 ? count : 16);
  const auto load = [=](int64_t i) {
    return i < rows ? _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, data + i * stride))
                    : _mm512_setzero_si512();
  };
  for (int64_t i = 0; i < 16; ++i)
    x[i] = _mm512_or_si512(load(2 * i), _mm512_slli_epi32(load(2 * i + 1), 16));
}

/// c = sums, or c += sums; see PanelKernels::store_f32.
inline void store_f32(const float* sums, int64_t sums_stride, int64_t rows, int64_t columns,
                      bool adds, float* c, int64_t c_stride) {
  constexpr int64_t lanes_of_f32 = 16;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; j += lanes_of_f32) {
      const __mmask16 lanes = first_lanes(columns - j < lanes_of_f32 ? columns - j : lanes_of_f32);
      __m512 value = _mm512_maskz_loadu_ps(lanes, sums + i * sums_stride + j);
      float* const to = c + i * c_stride + j;
      if (adds) value = _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, to), value);
      _mm512_mask_storeu_ps(to, lanes, value);
    }
}

}  // namespace
}  // namespace swallow::cpu
