// Element-wise addition and casts on a GPU, in fp32 and rounded once. Deterministic: no element
// meets another. Bandwidth-bound, for n elements: Add moves 3 n e bytes (e = 2 for bf16, 4 for
// f32), Cast between f32 and bf16 moves 6 n; a good run reaches 85-90 % of the memory's bandwidth.
#include <cuda_bf16.h>

#include <cstdint>
#include <type_traits>

#include "base/math.h"
#include "gpu_types.h"
#include "kernel_launch.h"
#include "kernels/elementwise.h"
#include "stream.h"
#include "vec.cuh"

namespace swallow::cuda {

namespace {

constexpr int kThreads = 256;

LaunchShape one_thread_each(int64_t packs) {
  return row_of_blocks(ceil_div(packs, kThreads), kThreads);
}

/// One thread per pack. y may be a or b, hence no __restrict__: a thread reads what it overwrites.
template <class T, int kCount>
__global__ void __launch_bounds__(kThreads)
    add_kernel(const T* a, const T* b, T* y, int64_t packs) {
  using Pack = Packed<T, kCount>;
  const int64_t pack = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (pack >= packs) return;
  const Pack left = reinterpret_cast<const Pack*>(a)[pack];
  const Pack right = reinterpret_cast<const Pack*>(b)[pack];
  Pack sum;
#pragma unroll
  for (int i = 0; i < kCount; ++i)
    sum.element[i] = from_float<T>(to_float(left.element[i]) + to_float(right.element[i]));
  reinterpret_cast<Pack*>(y)[pack] = sum;
}

/// One thread per pack.
template <class From, class To, int kCount>
__global__ void __launch_bounds__(kThreads)
    cast_kernel(const From* __restrict__ x, To* __restrict__ y, int64_t packs) {
  const int64_t pack = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (pack >= packs) return;
  const auto from = reinterpret_cast<const Packed<From, kCount>*>(x)[pack];
  Packed<To, kCount> to;
#pragma unroll
  for (int i = 0; i < kCount; ++i) to.element[i] = from_float<To>(to_float(from.element[i]));
  reinterpret_cast<Packed<To, kCount>*>(y)[pack] = to;
}

/// Adds `packs` packs of kCount elements from element `at` on.
template <class T, int kCount>
void add(cudaStream_t queue, const Add& op, int64_t at, int64_t packs) {
  if (packs == 0) return;
  launch_kernel(queue, one_thread_each(packs), add_kernel<T, kCount>, pointer<const T>(op.a) + at,
                pointer<const T>(op.b) + at, pointer<T>(op.y) + at, packs);
}

/// The same of a cast.
template <class From, class To, int kCount>
void cast(cudaStream_t queue, const Cast& op, int64_t at, int64_t packs) {
  if (packs == 0) return;
  launch_kernel(queue, one_thread_each(packs), cast_kernel<From, To, kCount>,
                pointer<const From>(op.x) + at, pointer<To>(op.y) + at, packs);
}

}  // namespace

void run(Stream& stream, const Add& op) {
  const int64_t n = op.y.numel();
  if (n == 0) return;
  cudaStream_t queue = enter(stream);
  const bool aligned = is_aligned(op.a) && is_aligned(op.b) && is_aligned(op.y);
  visit_gpu_dtype("Add", op.y.dtype, [&]<class T>(T) {
    constexpr int kWidth = kVectorWidth<T>;
    const int64_t wide = aligned ? n / kWidth : 0;
    add<T, kWidth>(queue, op, 0, wide);
    add<T, 1>(queue, op, wide * kWidth, n - wide * kWidth);
  });
}

void run(Stream& stream, const Cast& op) {
  const int64_t n = op.y.numel();
  if (n == 0) return;
  cudaStream_t queue = enter(stream);
  const bool aligned = is_aligned(op.x) && is_aligned(op.y);
  visit_gpu_dtype("Cast", op.x.dtype, [&]<class From>(From) {
    visit_gpu_dtype("Cast", op.y.dtype, [&]<class To>(To) {
      if constexpr (std::is_same_v<From, To>) {
        if (op.x.data != op.y.data) copy_bytes(stream, op.y.data, op.x.data, op.y.bytes());
      } else {
        constexpr int kWidth = kVectorWidth<float>;  // the wider of the two
        const int64_t wide = aligned ? n / kWidth : 0;
        cast<From, To, kWidth>(queue, op, 0, wide);
        cast<From, To, 1>(queue, op, wide * kWidth, n - wide * kWidth);
      }
    });
  });
}

}  // namespace swallow::cuda
