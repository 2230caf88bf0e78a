// Attention with products of bf16 tiles.
#include "kernels/cpu/amx_tiles.h"
#include "kernels/cpu/avx512_bf16_operands.h"

namespace swallow::cpu {

namespace {

struct TileOperands : Bf16Operands {
  static void enter() { configure_tiles(); }
  static void leave() { release_tiles(); }

  /// Blocks of 2 x 2 tiles of c. GCC must not inline it: its tile loads do not say what they read,
  /// so that stores before them could move behind.
  template <Product product>
  [[gnu::noinline]] static void multiply(const uint16_t* a, const void* b, int64_t rows,
                                         int64_t depth, float* c) {
    static_assert(kStrip == 32);
    constexpr bool adds = product == Product::results;
    constexpr int64_t bytes = kStrip * 4;                        // of a row of c
    constexpr int64_t right_bytes = adds ? kRightBytes : bytes;  // of a row of b's pairs
    const int64_t stride = adds ? kWideTile : depth;
    for (int64_t row = 0; row < rows; row += 32, a += 32 * stride, c += 32 * kStrip) {
      float* const below = c + 16 * kStrip;
      if constexpr (adds) {
        _tile_loadd(0, c, bytes);
        _tile_loadd(1, c + 16, bytes);
        _tile_loadd(2, below, bytes);
        _tile_loadd(3, below + 16, bytes);
      } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
      }
      for (int64_t p = 0; p < depth; p += 32) {
        const uint16_t* const left = a + p;
        const auto* const right = static_cast<const uint8_t*>(b) + p / 2 * right_bytes;
        _tile_loadd(4, left, stride * 2);
        _tile_loadd(6, right, right_bytes);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, right + 64, right_bytes);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, left + 16 * stride, stride * 2);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
      _tile_stored(0, c, bytes);
      _tile_stored(1, c + 16, bytes);
      _tile_stored(2, below, bytes);
      _tile_stored(3, below + 16, bytes);
    }
  }
};

}  // namespace

constinit const AttentionKernels kAmxAttention = attention_kernels<TileOperands>();

}  // namespace swallow::cpu
