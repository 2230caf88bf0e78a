// SwiGLU on a GPU: y = silu(gate) * up and its gradient, element by element in fp32, rounded once.
// Deterministic: no element meets another. Bandwidth-bound, for e bytes an element and n = rows
// f/t: forward moves 3 n e bytes, backward 5 n e; a good run reaches 85-90 % of the memory's
// bandwidth.
#include <cuda_bf16.h>

#include <cstdint>

#include "base/math.h"
#include "gpu_types.h"
#include "kernel_launch.h"
#include "kernels/swiglu.h"
#include "stream.h"
#include "vec.cuh"

namespace swallow::cuda {

namespace {

// 512 threads and few registers leave four blocks on a multiprocessor, its full 2048 threads.
constexpr int kMaxThreads = 512;

/// 1 / (1 + e^-x), at most 4 units of fp32 off: the approximate division has 2 and is several times
/// cheaper than the exact one. e^-x overflows to infinity for x < -88.7, which gives the limit 0.
__device__ float sigmoid(float x) {
  return __fdividef(1.0F, 1.0F + expf(-x));
}

/// gate_up [rows, 2 f], y [rows, f]; one thread per kCount neighbouring columns.
/// Grid: x = rows, y = blocks of columns.
template <class T, int kCount>
__global__ void __launch_bounds__(kMaxThreads)
    swiglu_forward_kernel(const T* __restrict__ gate_up, T* __restrict__ y, int64_t f) {
  using Pack = Packed<T, kCount>;
  const int64_t column = (int64_t{blockIdx.y} * blockDim.x + threadIdx.x) * kCount;
  if (column >= f) return;
  const int64_t row = blockIdx.x;

  const Pack gate = *reinterpret_cast<const Pack*>(gate_up + row * 2 * f + column);
  const Pack up = *reinterpret_cast<const Pack*>(gate_up + row * 2 * f + f + column);
  Pack out;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    const float g = to_float(gate.element[i]);
    out.element[i] = from_float<T>(g * sigmoid(g) * to_float(up.element[i]));
  }
  *reinterpret_cast<Pack*>(y + row * f + column) = out;
}

/// dgate = dy up s (1 + g (1 - s)) and dup = dy g s, with s = sigmoid(g). gate_up and dgate_up may
/// be the same memory, hence no __restrict__: a thread reads what it overwrites, nobody else does.
template <class T, int kCount>
__global__ void __launch_bounds__(kMaxThreads)
    swiglu_backward_kernel(const T* gate_up, const T* __restrict__ dy, T* dgate_up, int64_t f) {
  using Pack = Packed<T, kCount>;
  const int64_t column = (int64_t{blockIdx.y} * blockDim.x + threadIdx.x) * kCount;
  if (column >= f) return;
  const int64_t row = blockIdx.x;

  const int64_t gate_at = row * 2 * f + column;
  const int64_t up_at = gate_at + f;
  const Pack gate = *reinterpret_cast<const Pack*>(gate_up + gate_at);
  const Pack up = *reinterpret_cast<const Pack*>(gate_up + up_at);
  const Pack dout = *reinterpret_cast<const Pack*>(dy + row * f + column);
  Pack dgate;
  Pack dup;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    const float g = to_float(gate.element[i]);
    const float d = to_float(dout.element[i]);
    const float s = sigmoid(g);
    dgate.element[i] = from_float<T>(d * to_float(up.element[i]) * s * (1.0F + g * (1.0F - s)));
    dup.element[i] = from_float<T>(d * g * s);
  }
  *reinterpret_cast<Pack*>(dgate_up + gate_at) = dgate;
  *reinterpret_cast<Pack*>(dgate_up + up_at) = dup;
}

template <class T, int kCount>
void forward(cudaStream_t queue, const SwigluForward& op) {
  const int64_t f = op.y.size(1);
  const LaunchShape shape = rows_of_packs(op.y.size(0), ceil_div(f, kCount), kMaxThreads);
  launch_kernel(queue, shape, swiglu_forward_kernel<T, kCount>, pointer<const T>(op.gate_up),
                pointer<T>(op.y), f);
}

template <class T, int kCount>
void backward(cudaStream_t queue, const SwigluBackward& op) {
  const int64_t f = op.dy.size(1);
  const LaunchShape shape = rows_of_packs(op.dy.size(0), ceil_div(f, kCount), kMaxThreads);
  launch_kernel(queue, shape, swiglu_backward_kernel<T, kCount>, pointer<const T>(op.gate_up),
                pointer<const T>(op.dy), pointer<T>(op.dgate_up), f);
}

}  // namespace

void run(Stream& stream, const SwigluForward& op) {
  if (op.y.numel() == 0) return;
  cudaStream_t queue = enter(stream);
  visit_gpu_dtype("SwiGLU", op.y.dtype, [&]<class T>(T) {
    constexpr int kWidth = kVectorWidth<T>;
    // Whole packs in a row also keep every row's start, and the border of gate and up, aligned.
    if (op.y.size(1) % kWidth == 0 && is_aligned(op.gate_up) && is_aligned(op.y))
      forward<T, kWidth>(queue, op);
    else
      forward<T, 1>(queue, op);
  });
}

void run(Stream& stream, const SwigluBackward& op) {
  if (op.dy.numel() == 0) return;
  cudaStream_t queue = enter(stream);
  visit_gpu_dtype("SwiGLU", op.dy.dtype, [&]<class T>(T) {
    constexpr int kWidth = kVectorWidth<T>;
    if (op.dy.size(1) % kWidth == 0 && is_aligned(op.gate_up) && is_aligned(op.dy) &&
        is_aligned(op.dgate_up))
      backward<T, kWidth>(queue, op);
    else
      backward<T, 1>(queue, op);
  });
}

}  // namespace swallow::cuda
