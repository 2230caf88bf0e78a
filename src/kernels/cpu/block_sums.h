// What reduce.cpp needs of an instruction set: sums of squares of several blocks side by side,
// where a register's lanes hold a block each. Included by files that are compiled for more than the
// rest of the binary, see panel_kernels.h.
#pragma once

namespace swallow::cpu {

inline constexpr int kBlocksAtOnce = 16;
inline constexpr int kBlockElements = 256;

#if defined(__x86_64__)
/// sums[i] = the sum of the squares of block i of `x`, [kBlocksAtOnce, kBlockElements], in element
/// order: the bits of a plain loop, as squares of floats are exact in double. AVX-512.
void avx512_block_sums(const float* x, double (&sums)[kBlocksAtOnce]);
#endif

}  // namespace swallow::cpu
