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
  template <bool kAdds>
  [[gnu::noinline]] static void multiply(const uint16_t* a, const uint16_t* b, int64_t rows,
                                         int64_t depth, float* c) {
    const int64_t a_bytes = depth * 2;
    constexpr int64_t right_bytes = kWideTile * 4;  // of a row of b's pairs, and of c
    for (int64_t row = 0; row < rows; row += 32)
      for (int64_t column = 0; column < kWideTile; column += 32) {
        float* const to = c + row * kWideTile + column;
        float* const below = to + 16 * kWideTile;
        if constexpr (kAdds) {
          _tile_loadd(0, to, right_bytes);
          _tile_loadd(1, to + 16, right_bytes);
          _tile_loadd(2, below, right_bytes);
          _tile_loadd(3, below + 16, right_bytes);
        } else {
          _tile_zero(0);
          _tile_zero(1);
          _tile_zero(2);
          _tile_zero(3);
        }
        for (int64_t p = 0; p < depth; p += 32) {
          const uint16_t* const left = a + row * depth + p;
          const uint16_t* const right = b + p * kWideTile + 2 * column;
          _tile_loadd(4, left, a_bytes);
          _tile_loadd(6, right, right_bytes);
          _tile_dpbf16ps(0, 4, 6);
          _tile_loadd(7, right + 32, right_bytes);
          _tile_dpbf16ps(1, 4, 7);
          _tile_loadd(5, left + 16 * depth, a_bytes);
          _tile_dpbf16ps(2, 5, 6);
          _tile_dpbf16ps(3, 5, 7);
        }
        _tile_stored(0, to, right_bytes);
        _tile_stored(1, to + 16, right_bytes);
        _tile_stored(2, below, right_bytes);
        _tile_stored(3, below + 16, right_bytes);
      }
  }
};

}  // namespace

constinit const AttentionKernels kAmxAttention = attention_kernels<TileOperands>();

}  // namespace swallow::cpu
