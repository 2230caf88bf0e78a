// Sixteen bytes of a row as fp32 numbers: one load or store instruction per thread, which is what
// bandwidth-bound kernels need. One element at a time where a row is not a multiple of 16 bytes.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

namespace swallow::cuda {

/// kCount neighbouring elements of type T; the address must be a multiple of their size together.
template <class T, int kCount>
struct alignas(sizeof(T) * kCount) Packed {
  T element[kCount];
};

/// Elements of T in 16 bytes.
template <class T>
inline constexpr int kVectorWidth = 16 / static_cast<int>(sizeof(T));

__device__ inline float to_float(float value) {
  return value;
}
__device__ inline float to_float(__nv_bfloat16 value) {
  return __bfloat162float(value);
}

template <class T>
__device__ T from_float(float value);
template <>
__device__ inline float from_float<float>(float value) {
  return value;
}
/// To nearest even, as on the CPU.
template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}

}  // namespace swallow::cuda
