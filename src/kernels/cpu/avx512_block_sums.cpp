#include <immintrin.h>

#include "kernels/cpu/avx512_vectors.h"
#include "kernels/cpu/block_sums.h"

namespace swallow::cpu {

void avx512_block_sums(const float* x, double (&sums)[kBlocksAtOnce]) {
  constexpr int64_t kStep = 16;
  static_assert(kBlocksAtOnce == kStep && kBlockElements % kStep == 0);
  __m512d first = _mm512_setzero_pd();   // of blocks 0 to 7
  __m512d second = _mm512_setzero_pd();  // of blocks 8 to 15
  for (int64_t begin = 0; begin < kBlockElements; begin += kStep) {
    __m512i elements[kStep];  // a block's, then one of each block
    for (int64_t i = 0; i < kBlocksAtOnce; ++i)
      elements[i] = _mm512_loadu_si512(x + i * kBlockElements + begin);
    transpose_square(elements);
    for (const __m512i& element : elements) {
      const __m512d low = _mm512_cvtps_pd(_mm256_castsi256_ps(_mm512_castsi512_si256(element)));
      const __m512d high =
          _mm512_cvtps_pd(_mm256_castsi256_ps(_mm512_extracti64x4_epi64(element, 1)));
      first = _mm512_fmadd_pd(low, low, first);
      second = _mm512_fmadd_pd(high, high, second);
    }
  }
  _mm512_storeu_pd(sums, first);
  _mm512_storeu_pd(sums + 8, second);
}

}  // namespace swallow::cpu
