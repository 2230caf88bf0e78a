// AdamW on a GPU: each element is read and written once, in fp32, by the CPU's operations in the
// CPU's order (AdamWFactors::update); division and square root are the correctly rounded ones, so
// the bits are those of the CPU and do not depend on whether an element is part of a pack.
// Deterministic: no element meets another.
// Bandwidth-bound: reads 16 n and writes 12 n bytes and the parameter, 30 n in all for bf16; with a
// split master reads 16 n and writes 12 n, 28 n in all. A good run reaches 85-90 % of the memory's
// bandwidth. It needs some 60 instructions an element, of the 170 to 180 that the bandwidth leaves
// time for on an A100 or H200. A thread's pack is 16 bytes of each fp32 array and 8 of each 16-bit
// one: four elements, so that a warp's accesses to either are contiguous.
#include <cuda_bf16.h>

#include <cstdint>
#include <type_traits>

#include "base/math.h"
#include "base/split_float.h"
#include "gpu_types.h"
#include "kernel_launch.h"
#include "kernels/adamw.h"
#include "stream.h"
#include "vec.cuh"

namespace swallow::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kWidth = kVectorWidth<float>;

using Factors = AdamWFactors<float>;
using LowBits = uint16_t;

/// The arrays from one element on. M: float, or the low bits of a split master.
template <class T, class M>
struct Arrays {
  const float* grad;
  M* master;
  float* exp_avg;
  float* exp_avg_sq;
  T* param;
};

__device__ inline float join(LowBits low, __nv_bfloat16 param) {
  return join_float({__bfloat16_as_ushort(param), low});
}

template <class T>
__device__ void store(float updated, float& master, T& param) {
  master = updated;
  param = from_float<T>(updated);
}
__device__ inline void store(float updated, LowBits& low, __nv_bfloat16& param) {
  const SplitFloat split = split_float(updated);
  low = split.low;
  param = __ushort_as_bfloat16(split.bf16);
}

/// One thread per pack of kCount elements, `packs` in all.
template <class T, class M, int kCount>
__global__ void __launch_bounds__(kThreads)
    adamw_kernel(Arrays<T, M> arrays, int64_t packs, Factors f) {
  using Floats = Packed<float, kCount>;
  using Masters = Packed<M, kCount>;
  using Params = Packed<T, kCount>;
  const int64_t pack = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (pack >= packs) return;
  const auto grad = reinterpret_cast<const Floats*>(arrays.grad)[pack];
  auto master = reinterpret_cast<const Masters*>(arrays.master)[pack];
  auto exp_avg = reinterpret_cast<const Floats*>(arrays.exp_avg)[pack];
  auto exp_avg_sq = reinterpret_cast<const Floats*>(arrays.exp_avg_sq)[pack];
  Params param;
  constexpr bool kSplit = std::is_same_v<M, LowBits>;
  if constexpr (kSplit) param = reinterpret_cast<const Params*>(arrays.param)[pack];
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    float w;
    if constexpr (kSplit)
      w = join(master.element[i], param.element[i]);
    else
      w = master.element[i];
    f.update(grad.element[i], w, exp_avg.element[i], exp_avg_sq.element[i]);
    store(w, master.element[i], param.element[i]);
  }
  reinterpret_cast<Floats*>(arrays.exp_avg)[pack] = exp_avg;
  reinterpret_cast<Floats*>(arrays.exp_avg_sq)[pack] = exp_avg_sq;
  reinterpret_cast<Masters*>(arrays.master)[pack] = master;
  reinterpret_cast<Params*>(arrays.param)[pack] = param;
}

/// Updates `packs` packs of kCount elements from element `at` on.
template <class T, class M, int kCount>
void update_packs(cudaStream_t queue, const AdamW& op, int64_t at, int64_t packs) {
  if (packs == 0) return;
  const Arrays<T, M> arrays = {pointer<const float>(op.grad) + at, pointer<M>(op.master) + at,
                               pointer<float>(op.exp_avg) + at, pointer<float>(op.exp_avg_sq) + at,
                               pointer<T>(op.param) + at};
  launch_kernel(queue, row_of_blocks(ceil_div(packs, kThreads), kThreads),
                adamw_kernel<T, M, kCount>, arrays, packs, Factors(op));
}

template <class T, class M>
void update(cudaStream_t queue, const AdamW& op) {
  const int64_t n = op.param.numel();
  const bool aligned = is_aligned(op.grad) && is_aligned(op.master) && is_aligned(op.exp_avg) &&
                       is_aligned(op.exp_avg_sq) && is_aligned(op.param);
  const int64_t wide = aligned ? n / kWidth : 0;
  update_packs<T, M, kWidth>(queue, op, 0, wide);
  update_packs<T, M, 1>(queue, op, wide * kWidth, n - wide * kWidth);
}

}  // namespace

void run(Stream& stream, const AdamW& op) {
  if (op.param.numel() == 0) return;
  cudaStream_t queue = enter(stream);
  if (is_split_master(op.master)) return update<__nv_bfloat16, LowBits>(queue, op);
  visit_gpu_dtype("AdamW", op.param.dtype, [&]<class T>(T) { update<T, float>(queue, op); });
}

}  // namespace swallow::cuda
