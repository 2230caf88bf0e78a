// What g++ needs to compile a .cu file as C++: CUDA's own headers leave the qualifiers empty for a
// host compiler; the rest of the language that our kernels use is defined here. Included before
// every .cu file of the emulated build. Not emulated: dynamic shared memory, __constant__,
// floating-point atomics (our kernels use none of them).
#pragma once

// Blocks run one after another on a thread, so a block's shared memory is that thread's.
#define __shared__ static thread_local
#define __launch_bounds__(...)

#include <cuda_runtime.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "executor.h"
#include "stream.h"

namespace emulated_gpu {

/// cudaLaunchKernelEx: the launch is queued and its arguments are copied.
template <class... Parameters, class... Arguments>
cudaError_t launch_kernel(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                          Arguments&&... arguments) {
  if (config->gridDim.x == 0 || config->gridDim.y == 0 || config->gridDim.z == 0 ||
      config->gridDim.y > 65535 || config->gridDim.z > 65535)
    return cudaErrorInvalidConfiguration;
  enqueue(config->stream, [grid = config->gridDim, block = config->blockDim, kernel,
                           ... values = Parameters(arguments)] {
    run_grid(grid, block, [&] { kernel(values...); });
  });
  return cudaSuccess;
}

template <class T>
T shuffle(T value, unsigned lane) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = exchange_in_warp(bits, lane);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline unsigned lane() {
  return ((threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x) % 32;
}

inline void require_whole_warp(unsigned mask) {
  if (mask != 0xFFFFFFFFU) fail("a warp function was called with a part of the warp");
}

}  // namespace emulated_gpu

#define cudaLaunchKernelEx ::emulated_gpu::launch_kernel

inline void __syncthreads() {
  emulated_gpu::synchronize_block();
}
inline void __syncwarp(unsigned mask = 0xFFFFFFFFU) {
  emulated_gpu::require_whole_warp(mask);
  emulated_gpu::synchronize_warp();
}
template <class T>
T __shfl_sync(unsigned mask, T value, int lane) {
  emulated_gpu::require_whole_warp(mask);
  return emulated_gpu::shuffle(value, static_cast<unsigned>(lane));
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask) {
  emulated_gpu::require_whole_warp(mask);
  return emulated_gpu::shuffle(value, emulated_gpu::lane() ^ static_cast<unsigned>(lane_mask));
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta) {
  emulated_gpu::require_whole_warp(mask);
  const unsigned lane = emulated_gpu::lane();
  return emulated_gpu::shuffle(value, lane + delta < 32 ? lane + delta : lane);
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta) {
  emulated_gpu::require_whole_warp(mask);
  const unsigned lane = emulated_gpu::lane();
  return emulated_gpu::shuffle(value, lane >= delta ? lane - delta : lane);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
  unsigned votes = predicate != 0 ? 1U << emulated_gpu::lane() : 0U;
  for (int other = 16; other > 0; other /= 2) votes |= __shfl_xor_sync(mask, votes, other);
  return votes;
}

template <class T>
T __ldg(const T* address) {
  return *address;
}
template <class T>
T __ldcs(const T* address) {
  return *address;
}
template <class T>
void __stcs(T* address, T value) {
  *address = value;
}

// Kernels of different ranks may run at the same time on different memory only, and threads of one
// grid never do: a plain addition is atomic enough. Integers alone, whose order cannot show.
inline int atomicAdd(int* address, int value) {
  return std::exchange(*address, *address + value);
}
inline unsigned atomicAdd(unsigned* address, unsigned value) {
  return std::exchange(*address, *address + value);
}
inline unsigned long long atomicAdd(unsigned long long* address, unsigned long long value) {
  return std::exchange(*address, *address + value);
}

inline float __fdividef(float a, float b) {
  return a / b;
}
inline float __frcp_rn(float a) {
  return 1.0F / a;
}
inline float __expf(float a) {
  return std::exp(a);
}
inline float __logf(float a) {
  return std::log(a);
}
inline float rsqrtf(float a) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(a)));
}
inline double rsqrt(double a) {
  return 1.0 / std::sqrt(a);
}
inline unsigned __float_as_uint(float a) {
  return std::bit_cast<unsigned>(a);
}
inline float __uint_as_float(unsigned a) {
  return std::bit_cast<float>(a);
}
inline int __popc(unsigned a) {
  return std::popcount(a);
}
inline int __clzll(long long a) {
  return std::countl_zero(static_cast<unsigned long long>(a));
}
