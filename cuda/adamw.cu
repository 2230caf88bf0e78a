// AdamW on a GPU: each element is read and written once, in fp32, by the CPU's operations in the
// CPU's order; division and square root are the correctly rounded ones. Sums that are fused with a
// product are written as such, so the bits are those of the CPU and do not depend on whether an
// element is part of a pack. Deterministic: no element meets another.
// Bandwidth-bound: reads 16 n and writes 12 n bytes and the parameter, 30 n in all for bf16; a good
// run reaches 85-90 % of the memory's bandwidth. It needs some 60 instructions an element, of the
// 180 that the bandwidth leaves time for on an A100 or H200.
#include <cuda_bf16.h>

#include <cstdint>

#include "base/math.h"
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

/// The arrays from one element on.
template <class T>
struct Arrays {
  const float* grad;
  float* master;
  float* exp_avg;
  float* exp_avg_sq;
  T* param;
};

/// One thread per pack of kCount elements, `packs` in all.
template <class T, int kCount>
__global__ void __launch_bounds__(kThreads)
    adamw_kernel(Arrays<T> arrays, int64_t packs, Factors f) {
  using Floats = Packed<float, kCount>;
  const int64_t pack = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (pack >= packs) return;
  const auto grad = reinterpret_cast<const Floats*>(arrays.grad)[pack];
  auto master = reinterpret_cast<const Floats*>(arrays.master)[pack];
  auto exp_avg = reinterpret_cast<const Floats*>(arrays.exp_avg)[pack];
  auto exp_avg_sq = reinterpret_cast<const Floats*>(arrays.exp_avg_sq)[pack];
  Packed<T, kCount> param;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    const float g = grad.element[i] * f.grad_scale;
    const float m = fmaf(f.beta1, exp_avg.element[i], f.one_minus_beta1 * g);
    const float v = fmaf(f.beta2, exp_avg_sq.element[i], f.one_minus_beta2 * (g * g));
    const float step = m * f.correction1 / (sqrtf(v * f.correction2) + f.eps);
    const float w = master.element[i];
    const float updated = fmaf(-f.lr, fmaf(f.weight_decay, w, step), w);
    exp_avg.element[i] = m;
    exp_avg_sq.element[i] = v;
    master.element[i] = updated;
    param.element[i] = from_float<T>(updated);
  }
  reinterpret_cast<Floats*>(arrays.exp_avg)[pack] = exp_avg;
  reinterpret_cast<Floats*>(arrays.exp_avg_sq)[pack] = exp_avg_sq;
  reinterpret_cast<Floats*>(arrays.master)[pack] = master;
  reinterpret_cast<Packed<T, kCount>*>(arrays.param)[pack] = param;
}

/// Updates `packs` packs of kCount elements from element `at` on.
template <class T, int kCount>
void update(cudaStream_t queue, const AdamW& op, int64_t at, int64_t packs) {
  if (packs == 0) return;
  const Arrays<T> arrays = {pointer<const float>(op.grad) + at, pointer<float>(op.master) + at,
                            pointer<float>(op.exp_avg) + at, pointer<float>(op.exp_avg_sq) + at,
                            pointer<T>(op.param) + at};
  launch_kernel(queue, row_of_blocks(ceil_div(packs, kThreads), kThreads), adamw_kernel<T, kCount>,
                arrays, packs, Factors(op));
}

}  // namespace

void run(Stream& stream, const AdamW& op) {
  const int64_t n = op.param.numel();
  if (n == 0) return;
  cudaStream_t queue = enter(stream);
  const bool aligned = is_aligned(op.grad) && is_aligned(op.master) && is_aligned(op.exp_avg) &&
                       is_aligned(op.exp_avg_sq) && is_aligned(op.param);
  const int64_t wide = aligned ? n / kWidth : 0;
  visit_gpu_dtype("AdamW", op.param.dtype, [&]<class T>(T) {
    update<T, kWidth>(queue, op, 0, wide);
    update<T, 1>(queue, op, wide * kWidth, n - wide * kWidth);
  });
}

}  // namespace swallow::cuda
