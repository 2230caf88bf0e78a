// bf16 panels for AMX: 2 x 2 tiles of sums, 32 x 32, and per step of 32 in depth two tiles of a and
// two of b. A tile of a is 16 rows of 32 elements; one of b holds pairs along the depth, 16 pairs
// by 16 columns. Either comes from memory in order or by a transpose of 32-bit pairs.
#include <immintrin.h>

#include "kernels/cpu/amx_tiles.h"
#include "kernels/cpu/avx512_vectors.h"
#include "kernels/cpu/panel_kernels.h"

namespace swallow::cpu {

namespace {

constexpr int64_t kSide = 16;          // rows of a tile, and its 32-bit columns
constexpr int64_t kStep = 32;          // bf16 elements of a tile's row
constexpr int64_t kTile = 16 * 32;     // elements
constexpr int64_t kPanel = 2 * kSide;  // rows of a, columns of b

/// `direct` is the layout that needs no transpose.
void pack(const PanelSource& from, int64_t count, int64_t depth, DepthLayout direct, void* panel) {
  const auto* data = static_cast<const uint16_t*>(from.data);
  auto* to = static_cast<uint16_t*>(panel);
  for (int64_t p = 0; p < depth; p += kStep)
    for (int64_t first = 0; first < kPanel; first += kSide, to += kTile) {
      __m512i tile[16];
      if (from.layout == DepthLayout::contiguous)
        load_rows(data + first * from.stride + p, from.stride, count - first, depth - p, tile);
      else
        load_pairs(data + p * from.stride + first, from.stride, depth - p, count - first, tile);
      if (from.layout != direct) transpose_square(tile);
      for (int64_t i = 0; i < kSide; ++i) _mm512_storeu_si512(to + i * kStep, tile[i]);
    }
}

void pack_a(const PanelSource& from, int64_t count, int64_t depth, void* panel) {
  pack(from, count, depth, DepthLayout::contiguous, panel);
}

void pack_b(const PanelSource& from, int64_t count, int64_t depth, void* panel) {
  pack(from, count, depth, DepthLayout::strided, panel);
}

void multiply(const void* a_panel, const void* b_panel, int64_t depth, float* sums) {
  constexpr int row_bytes = 64;
  const auto* a = static_cast<const uint16_t*>(a_panel);
  const auto* b = static_cast<const uint16_t*>(b_panel);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t p = 0; p < depth; p += kStep, a += 2 * kTile, b += 2 * kTile) {
    _tile_loadd(4, a, row_bytes);
    _tile_loadd(6, b, row_bytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + kTile, row_bytes);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, a + kTile, row_bytes);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  constexpr int sums_bytes = kPanel * 4;
  _tile_stored(0, sums, sums_bytes);
  _tile_stored(1, sums + kSide, sums_bytes);
  _tile_stored(2, sums + kSide * kPanel, sums_bytes);
  _tile_stored(3, sums + kSide * kPanel + kSide, sums_bytes);
}

void store_bf16(const float* sums, int64_t sums_stride, int64_t rows, int64_t columns, bool adds,
                uint16_t* c, int64_t c_stride) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; j += kSide) {
      const __mmask16 lanes = first_lanes(columns - j < kSide ? columns - j : kSide);
      __m512 value = _mm512_maskz_loadu_ps(lanes, sums + i * sums_stride + j);
      uint16_t* const to = c + i * c_stride + j;
      if (adds) {
        const __m512i before = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, to));
        value = _mm512_add_ps(_mm512_castsi512_ps(_mm512_slli_epi32(before, 16)), value);
      }
      const __m256bh rounded = _mm512_cvtneps_pbh(value);
      _mm256_mask_storeu_epi16(to, lanes, reinterpret_cast<const __m256i&>(rounded));
    }
}

}  // namespace

constinit const PanelKernels kAmxBf16Panels = {.a_rows = kPanel,
                                               .b_columns = kPanel,
                                               .depth_step = kStep,
                                               .element_size = 2,
                                               .pack_a = pack_a,
                                               .pack_b = pack_b,
                                               .enter = configure_tiles,
                                               .leave = release_tiles,
                                               .multiply = multiply,
                                               .store_f32 = store_f32,
                                               .store_bf16 = store_bf16};

}  // namespace swallow::cpu
