// Sums of fp32 numbers over the threads of a block. The order is fixed by the number of threads and
// all threads get the same bits, because a butterfly adds the same pairs in every lane.
#pragma once

#include <cuda_runtime.h>

namespace swallow::cuda {

inline constexpr int kMaxWarps = 32;  // of a block

__device__ inline float warp_sum(float value) {
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) value += __shfl_xor_sync(0xFFFFFFFFU, value, mask);
  return value;
}

/// For all threads of a block of whole warps. One barrier: `scratch` is shared memory that must not
/// be used again before the block's next barrier, so loops alternate between two.
__device__ inline float block_sum(float value, float (&scratch)[kMaxWarps]) {
  const unsigned lane = threadIdx.x % 32;
  const float sum = warp_sum(value);
  if (lane == 0) scratch[threadIdx.x / 32] = sum;
  __syncthreads();
  return warp_sum(lane < blockDim.x / 32 ? scratch[lane] : 0.0F);
}

}  // namespace swallow::cuda
