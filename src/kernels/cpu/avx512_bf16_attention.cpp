// Attention with dot products of bf16 pairs.
#include "kernels/cpu/avx512_bf16_operands.h"

namespace swallow::cpu {

namespace {

struct PairOperands : Bf16Operands {
  static void enter() {}
  static void leave() {}
  template <Product product>
  static void multiply(const uint16_t* a, const void* b, int64_t rows, int64_t depth, float* c) {
    constexpr bool adds = product == Product::results;
    multiply_broadcast<product>(a, (adds ? kWideTile : depth) / 2, b,
                                adds ? kRightBytes / 4 : kStrip, rows, depth / 2, c,
                                [](__m512 sum, __m512 x, __m512 y) {
                                  return _mm512_dpbf16_ps(sum, reinterpret_cast<const __m512bh&>(x),
                                                          reinterpret_cast<const __m512bh&>(y));
                                });
  }
};

}  // namespace

constinit const AttentionKernels kAvx512Bf16Attention = attention_kernels<PairOperands>();

}  // namespace swallow::cpu
