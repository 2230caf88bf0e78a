// f32 panels for AVX-512: 14 rows by 32 columns of sums in 28 registers, two for b, and a's
// elements are broadcast from memory.
#include <immintrin.h>

#include "kernels/cpu/avx512_vectors.h"
#include "kernels/cpu/panel_kernels.h"

namespace swallow::cpu {

namespace {

constexpr int64_t kRows = 14;
constexpr int64_t kColumns = 32;
constexpr int64_t kLanes = 16;

/// panel[p * width + i] for i in [first, first + kLanes) with i < width, of depth-contiguous rows.
void pack_across(const float* data, int64_t stride, int64_t count, int64_t depth, int64_t width,
                 int64_t first, float* panel) {
  const __mmask16 lanes = first_lanes(width - first < kLanes ? width - first : kLanes);
  for (int64_t p = 0; p < depth; p += kLanes) {
    const int64_t steps = depth - p < kLanes ? depth - p : kLanes;
    __m512i square[16];
    for (int64_t i = 0; i < kLanes; ++i)
      square[i] = first + i < count ? _mm512_maskz_loadu_epi32(first_lanes(steps),
                                                               data + (first + i) * stride + p)
                                    : _mm512_setzero_si512();
    transpose_square(square);
    for (int64_t q = 0; q < steps; ++q)
      _mm512_mask_storeu_epi32(panel + (p + q) * width + first, lanes, square[q]);
  }
}

template <int64_t kWidth>
void pack(const PanelSource& from, int64_t count, int64_t depth, void* panel) {
  const auto* data = static_cast<const float*>(from.data);
  auto* to = static_cast<float*>(panel);
  for (int64_t first = 0; first < kWidth; first += kLanes) {
    if (from.layout == DepthLayout::contiguous) {
      pack_across(data, from.stride, count, depth, kWidth, first, to);
      continue;
    }
    const int64_t room = kWidth - first < kLanes ? kWidth - first : kLanes;
    const int64_t left = count - first < 0 ? 0 : count - first;
    const __mmask16 real = first_lanes(left < room ? left : room);
    for (int64_t p = 0; p < depth; ++p)
      _mm512_mask_storeu_ps(to + p * kWidth + first, first_lanes(room),
                            _mm512_maskz_loadu_ps(real, data + p * from.stride + first));
  }
}

void multiply(const void* a_panel, const void* b_panel, int64_t depth, float* sums) {
  const auto* a = static_cast<const float*>(a_panel);
  const auto* b = static_cast<const float*>(b_panel);
  __m512 left[kRows];
  __m512 right[kRows];
#pragma GCC unroll 14
  for (int64_t i = 0; i < kRows; ++i) left[i] = right[i] = _mm512_setzero_ps();
  for (int64_t p = 0; p < depth; ++p, a += kRows, b += kColumns) {
    const __m512 b_left = _mm512_loadu_ps(b);
    const __m512 b_right = _mm512_loadu_ps(b + kLanes);
    _mm_prefetch(b + 16 * kColumns, _MM_HINT_T0);
    _mm_prefetch(b + 16 * kColumns + kLanes, _MM_HINT_T0);
#pragma GCC unroll 14
    for (int64_t i = 0; i < kRows; ++i) {
      const __m512 element = _mm512_set1_ps(a[i]);
      left[i] = _mm512_fmadd_ps(element, b_left, left[i]);
      right[i] = _mm512_fmadd_ps(element, b_right, right[i]);
    }
  }
#pragma GCC unroll 14
  for (int64_t i = 0; i < kRows; ++i) {
    _mm512_storeu_ps(sums + i * kColumns, left[i]);
    _mm512_storeu_ps(sums + i * kColumns + kLanes, right[i]);
  }
}

void nothing() {}

}  // namespace

constinit const PanelKernels kAvx512F32Panels = {.a_rows = kRows,
                                                 .b_columns = kColumns,
                                                 .depth_step = 1,
                                                 .element_size = 4,
                                                 .pack_a = pack<kRows>,
                                                 .pack_b = pack<kColumns>,
                                                 .enter = nothing,
                                                 .leave = nothing,
                                                 .multiply = multiply,
                                                 .store_f32 = store_f32,
                                                 .store_bf16 = nullptr};

}  // namespace swallow::cpu
