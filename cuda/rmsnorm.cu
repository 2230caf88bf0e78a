// RMSNorm with the residual addition before it, forward and recompute. Every rounding to the
// activation type is that of the CPU's kernel; statistics are fp32. Deterministic: a row belongs to
// one block, whose order of summation depends on h and the alignment alone.
// Bandwidth-bound, for e bytes an element: forward moves 4 rows h e bytes (3 without its residual
// and delta: 2), recompute 2 rows h e; the weight stays in the caches.
#include <cuda_bf16.h>

#include <cstdint>

#include "base/math.h"
#include "block_sum.cuh"
#include "gpu_types.h"
#include "kernel_launch.h"
#include "kernels/rmsnorm.h"
#include "stream.h"
#include "vec.cuh"

namespace swallow::cuda {

namespace {

// A thread keeps four packs of its row, so a row of 4096 bf16 takes four warps: the barrier is
// cheap and eight or more such blocks share a multiprocessor, each asking for 8 x 16 bytes a thread
// at once. 1024 threads hold 32,768 bf16 or 16,384 f32.
constexpr int kPacks = 4;
constexpr int kMaxThreads = 1024;
constexpr int kPackedThreads = 512;  // where a thread has one pack, as in cuda/swiglu.cu
constexpr int kPlainThreads = 256;

/// x may be the same memory as residual, hence no __restrict__.
template <class T>
struct ForwardRows {
  const T* x;       // [rows, h]
  const T* delta;   // [rows, h] or nullptr
  T* residual;      // [rows, h] or nullptr
  const T* weight;  // [h]
  T* y;             // [rows, h]
  float* rstd;      // [rows]
  int64_t hidden;
  float eps;
};

/// x += delta as the residual stream keeps it, rounded: the norm is of the rounded sum.
template <class T, int kCount>
__device__ void add(RawPack<T, kCount>& x, const RawPack<T, kCount>& delta) {
  float sum[kCount];
  float change[kCount];
  unpack(x, sum);
  unpack(delta, change);
#pragma unroll
  for (int i = 0; i < kCount; ++i) sum[i] += change[i];
  pack(sum, x);
}

template <class T, int kCount>
__device__ void add_squares(float& squares, const RawPack<T, kCount>& x) {
  float value[kCount];
  unpack(x, value);
#pragma unroll
  for (int i = 0; i < kCount; ++i) squares = fmaf(value[i], value[i], squares);
}

/// x becomes y: x * rstd is rounded before it meets the weight. No addition, so nothing to
/// contract: forward and recompute agree to the bit.
template <class T, int kCount>
__device__ void scale(RawPack<T, kCount>& x, float rstd, const RawPack<T, kCount>& weight) {
  float value[kCount];
  float factor[kCount];
  unpack(x, value);
  unpack(weight, factor);
#pragma unroll
  for (int i = 0; i < kCount; ++i) value[i] = to_float(from_float<T>(value[i] * rstd)) * factor[i];
  pack(value, x);
}

__device__ float reciprocal_root(float squares, int64_t hidden, float eps) {
  return 1.0F / sqrtf(squares / static_cast<float>(hidden) + eps);
}

/// A block per row, kept in registers between the two passes; 16-byte accesses. All loads of a row
/// come before its first store, so that they are on their way together.
template <class T>
__global__ void __launch_bounds__(kMaxThreads) rmsnorm_forward_kernel(ForwardRows<T> p) {
  constexpr int kWidth = kVectorWidth<T>;
  using Pack = RawPack<T, kWidth>;
  __shared__ float scratch[kMaxWarps];
  const int64_t start = blockIdx.x * p.hidden;
  const int hidden = static_cast<int>(p.hidden);
  const int first = static_cast<int>(threadIdx.x) * kWidth;
  const int stride = static_cast<int>(blockDim.x) * kWidth;

  Pack row[kPacks];
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    const int column = first + k * stride;
    row[k] = column < hidden ? load_pack<kWidth>(p.x + start + column) : Pack{};
  }
  if (p.delta != nullptr) {
    Pack delta[kPacks];
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
      const int column = first + k * stride;
      delta[k] = column < hidden ? load_pack<kWidth>(p.delta + start + column) : Pack{};
    }
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
      add(row[k], delta[k]);
      const int column = first + k * stride;
      if (column < hidden) store_pack(p.residual + start + column, row[k]);
    }
  }

  float squares = 0;  // packs beyond the row are zero
#pragma unroll
  for (int k = 0; k < kPacks; ++k) add_squares(squares, row[k]);
  const float rstd = reciprocal_root(block_sum(squares, scratch), p.hidden, p.eps);
  if (threadIdx.x == 0) p.rstd[blockIdx.x] = rstd;

#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    const int column = first + k * stride;
    if (column >= hidden) break;
    scale(row[k], rstd, load_pack<kWidth>(p.weight + column));
    store_pack(p.y + start + column, row[k]);
  }
}

/// Any h, any alignment: a block per row, which is read twice.
template <class T>
__global__ void __launch_bounds__(kPlainThreads) rmsnorm_forward_plain_kernel(ForwardRows<T> p) {
  __shared__ float scratch[kMaxWarps];
  const int64_t start = blockIdx.x * p.hidden;
  const T* sum = p.delta == nullptr ? p.x : p.residual;
  float squares = 0;
  for (int64_t j = threadIdx.x; j < p.hidden; j += blockDim.x) {
    auto value = load_pack<1>(p.x + start + j);
    if (p.delta != nullptr) {
      add(value, load_pack<1>(p.delta + start + j));
      store_pack(p.residual + start + j, value);
    }
    add_squares(squares, value);
  }
  const float rstd = reciprocal_root(block_sum(squares, scratch), p.hidden, p.eps);
  if (threadIdx.x == 0) p.rstd[blockIdx.x] = rstd;
  for (int64_t j = threadIdx.x; j < p.hidden; j += blockDim.x) {
    auto value = load_pack<1>(sum + start + j);
    scale(value, rstd, load_pack<1>(p.weight + j));
    store_pack(p.y + start + j, value);
  }
}

/// y [rows, h] from x [rows, h] and rstd [rows]; one thread per pack. Grid: x = rows, y = blocks of
/// columns.
template <class T, int kCount>
__global__ void __launch_bounds__(kPackedThreads)
    rmsnorm_recompute_kernel(const T* __restrict__ x, const T* __restrict__ weight,
                             const float* __restrict__ rstd, T* __restrict__ y, int64_t hidden) {
  const int64_t column = (int64_t{blockIdx.y} * blockDim.x + threadIdx.x) * kCount;
  if (column >= hidden) return;
  const int64_t at = blockIdx.x * hidden + column;
  auto value = load_pack<kCount>(x + at);
  scale(value, rstd[blockIdx.x], load_pack<kCount>(weight + column));
  store_pack(y + at, value);
}

template <class T>
void forward(cudaStream_t queue, const RmsNormForward& op) {
  const int64_t rows = op.x.size(0);
  const int64_t hidden = op.x.size(1);
  const ForwardRows<T> arguments{pointer<const T>(op.x),
                                 pointer<const T>(op.delta),
                                 pointer<T>(op.residual),
                                 pointer<const T>(op.weight),
                                 pointer<T>(op.y),
                                 pointer<float>(op.rstd),
                                 hidden,
                                 static_cast<float>(op.eps)};
  const int64_t threads = round_up(ceil_div(hidden, kPacks * kVectorWidth<T>), 32);
  // A tensor that was left out is aligned.
  const bool packed = hidden % kVectorWidth<T> == 0 && is_aligned(op.x) && is_aligned(op.delta) &&
                      is_aligned(op.residual) && is_aligned(op.weight) && is_aligned(op.y);
  if (packed && threads <= kMaxThreads)
    launch_kernel(queue, row_of_blocks(rows, static_cast<int>(threads)), rmsnorm_forward_kernel<T>,
                  arguments);
  else
    launch_kernel(queue, row_of_blocks(rows, kPlainThreads), rmsnorm_forward_plain_kernel<T>,
                  arguments);
}

template <class T, int kCount>
void recompute(cudaStream_t queue, const RmsNormRecompute& op) {
  const int64_t hidden = op.x.size(1);
  launch_kernel(queue, rows_of_packs(op.x.size(0), ceil_div(hidden, kCount), kPackedThreads),
                rmsnorm_recompute_kernel<T, kCount>, pointer<const T>(op.x),
                pointer<const T>(op.weight), pointer<const float>(op.rstd), pointer<T>(op.y),
                hidden);
}

}  // namespace

void run(Stream& stream, const RmsNormForward& op) {
  if (op.x.numel() == 0) return;
  cudaStream_t queue = enter(stream);
  visit_gpu_dtype("RMSNorm", op.x.dtype, [&]<class T>(T) { forward<T>(queue, op); });
}

void run(Stream& stream, const RmsNormRecompute& op) {
  if (op.x.numel() == 0) return;
  cudaStream_t queue = enter(stream);
  visit_gpu_dtype("RMSNorm", op.x.dtype, [&]<class T>(T) {
    constexpr int kWidth = kVectorWidth<T>;
    if (op.x.size(1) % kWidth == 0 && is_aligned(op.x) && is_aligned(op.weight) && is_aligned(op.y))
      recompute<T, kWidth>(queue, op);
    else
      recompute<T, 1>(queue, op);
  });
}

}  // namespace swallow::cuda
