// Attention in f32, of f32 operands or of bf16 ones that are widened as they are packed.
#include "kernels/cpu/avx512_attention_passes.h"

namespace swallow::cpu {

namespace {

struct F32Elements {
  using Element = float;
  static __m512 load(const float* from, __mmask16 lanes) {
    return _mm512_maskz_loadu_ps(lanes, from);
  }
  static void store(float* to, __mmask16 lanes, __m512 value) {
    _mm512_mask_storeu_ps(to, lanes, value);
  }
};

struct Bf16Elements {
  using Element = uint16_t;
  static __m512 load(const uint16_t* from, __mmask16 lanes) {
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, from)), 16));
  }
  /// Rounds as base/dtype.h does.
  static void store(uint16_t* to, __mmask16 lanes, __m512 value) {
    const __m512i bits = _mm512_castps_si512(value);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
    const __m512i rounded = _mm512_mask_or_epi32(up, nan, bits, _mm512_set1_epi32(0x400000));
    _mm256_mask_storeu_epi16(to, lanes, _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
  }
};

template <class Elements>
struct F32Operands : Elements {
  using Element = typename Elements::Element;
  using Packed = float;
  static constexpr int64_t kDepthStep = 16;

  static void enter() {}
  static void leave() {}
  static void store_right(float* right, int64_t row, int64_t group, __m512 even, __m512 odd) {
    _mm512_storeu_ps(right + row * kStrip + group * kLanes, even);
    _mm512_storeu_ps(right + (row + 1) * kStrip + group * kLanes, odd);
  }
  /// Tokens [i, i + 16), elements [d, d + 16).
  static void load_square(const TokenTile<Element>& x, int64_t i, int64_t d,
                          __m512i (&square)[16]) {
    const int64_t room = x.head_dim - d < 0 ? 0 : x.head_dim - d;
    const __mmask16 lanes = first_lanes(room < kLanes ? room : kLanes);
    for (int64_t j = 0; j < kLanes; ++j)
      square[j] = i + j < x.count
                      ? _mm512_castps_si512(Elements::load(x.data + (i + j) * x.stride + d, lanes))
                      : _mm512_setzero_si512();
  }
  static void pack_rows(const TokenTile<Element>& x, int64_t depth, float* rows) {
    for (int64_t i = 0; i < kWideTile; i += kLanes)
      for (int64_t d = 0; d < depth; d += kLanes) {
        __m512i square[16];
        load_square(x, i, d, square);
        for (int64_t j = 0; j < kLanes; ++j)
          _mm512_storeu_si512(rows + (i + j) * depth + d, square[j]);
      }
  }
  /// Strips lie `strip_stride` elements apart.
  static void pack_columns(const TokenTile<Element>& x, int64_t depth, float* columns,
                           int64_t strip_stride) {
    for (int64_t i = 0; i < kWideTile; i += kLanes)
      for (int64_t d = 0; d < depth; d += kLanes) {
        __m512i square[16];
        load_square(x, i, d, square);
        transpose_square(square);
        float* const to = columns + i / kStrip * strip_stride + i % kStrip;
        for (int64_t j = 0; j < kLanes; ++j) _mm512_storeu_si512(to + (d + j) * kStrip, square[j]);
      }
  }
  static void pack_transposed(const TokenTile<Element>& x, int64_t depth, float* rows) {
    for (int64_t i = 0; i < kWideTile; i += kLanes)
      for (int64_t d = 0; d < depth; d += kLanes) {
        __m512i square[16];
        load_square(x, i, d, square);
        transpose_square(square);
        for (int64_t j = 0; j < kLanes; ++j)
          _mm512_storeu_si512(rows + (d + j) * kWideTile + i, square[j]);
      }
  }
  template <Product product>
  static void multiply(const float* a, const float* b, int64_t rows, int64_t depth, float* c) {
    multiply_broadcast<product>(
        a, product == Product::results ? kWideTile : depth, b, kStrip, rows, depth, c,
        [](__m512 sum, __m512 x, __m512 y) { return _mm512_fmadd_ps(x, y, sum); });
  }
};

}  // namespace

constinit const AttentionKernels kAvx512F32Attention =
    attention_kernels<F32Operands<F32Elements>>();
constinit const AttentionKernels kAvx512WidenedAttention =
    attention_kernels<F32Operands<Bf16Elements>>();

}  // namespace swallow::cpu
