// The gradient of RMSNorm: with g = dy weight and n = x rstd, dx += rstd (g - n mean(g n)) and
// dweight += sum over rows of dy n, n rounded as in the forward pass. fp32, no atomics.
// Deterministic: dweight is summed row by row within rmsnorm_slices(rows) slices, one block each,
// and the slices' sums in a fixed tree; the count of slices comes from rows alone, so every GPU
// adds in the same order.
// Bandwidth-bound, for e bytes an element: one pass reads dy, x, dx and writes dx, 4 rows h e
// bytes. Slices add 8 slices h bytes, at most 256 of them, which mostly stay in the second-level
// cache.
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

// Two packs a thread, and the next row is loaded while this one is reduced: 96 bytes a thread in
// flight. 640 threads hold rows of 10,240 bf16 (5120 f32) and leave a thread 96 registers, so that
// two blocks share a multiprocessor up to h = 5120; at 4096 rows of a 7B or 13B model, 132 of them
// take all 256 slices at once.
constexpr int kPacks = 2;
constexpr int kMaxThreads = 640;
constexpr int kPlainThreads = 256;
constexpr int kFinalColumns = 32;  // of a block that adds slices: 128 bytes of a row
constexpr int kFinalGroups = 16;   // warps that share the slices

template <class T>
struct BackwardRows {
  const T* dy;        // [rows, h]
  const T* x;         // [rows, h]
  const T* weight;    // [h]
  const float* rstd;  // [rows]
  T* dx;              // [rows, h]
  float* partial;     // [slices, h]
  int64_t rows;
  int64_t hidden;
};

/// What a thread holds of one row; zero beyond its end.
template <class T>
struct RowPart {
  using Pack = RawPack<T, kVectorWidth<T>>;
  Pack dy[kPacks];
  Pack x[kPacks];
  Pack dx[kPacks];
  float rstd;
};

/// n as the forward pass rounded it.
template <class T>
__device__ float rounded(float n) {
  return to_float(from_float<T>(n));
}

template <class T>
__device__ RowPart<T> load_row(const BackwardRows<T>& p, int64_t row, int first, int stride) {
  constexpr int kWidth = kVectorWidth<T>;
  RowPart<T> part{};
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    const int column = first + k * stride;
    if (column >= static_cast<int>(p.hidden)) break;
    const int64_t at = row * p.hidden + column;
    part.dy[k] = load_pack<kWidth>(p.dy + at);
    part.x[k] = load_pack<kWidth>(p.x + at);
    part.dx[k] = load_pack<kWidth>(p.dx + at);
  }
  part.rstd = p.rstd[row];
  return part;
}

/// The first row of a slice.
__device__ int64_t slice_begin(int64_t rows, int64_t slice) {
  return rows * slice / gridDim.x;
}

/// A block per slice of rows, a thread per 2 packs of columns in each of them: its sums of dweight
/// stay in registers.
template <class T>
__global__ void __launch_bounds__(kMaxThreads) rmsnorm_backward_kernel(BackwardRows<T> p) {
  constexpr int kWidth = kVectorWidth<T>;
  __shared__ float scratch[2][kMaxWarps];
  const int hidden = static_cast<int>(p.hidden);
  const int first = static_cast<int>(threadIdx.x) * kWidth;
  const int stride = static_cast<int>(blockDim.x) * kWidth;
  const int64_t begin = slice_begin(p.rows, blockIdx.x);
  const int64_t end = slice_begin(p.rows, int64_t{blockIdx.x} + 1);

  RawPack<T, kWidth> weight[kPacks] = {};
  float dweight[kPacks][kWidth] = {};
#pragma unroll
  for (int k = 0; k < kPacks; ++k)
    if (first + k * stride < hidden) weight[k] = load_pack<kWidth>(p.weight + first + k * stride);

  RowPart<T> current = load_row(p, begin, first, stride);
  for (int64_t row = begin; row < end; ++row) {
    RowPart<T> next = current;
    if (row + 1 < end) next = load_row(p, row + 1, first, stride);

    const float rstd = current.rstd;
    float dot = 0;
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
      float dy[kWidth];
      float x[kWidth];
      float w[kWidth];
      unpack(current.dy[k], dy);
      unpack(current.x[k], x);
      unpack(weight[k], w);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        const float n = x[i] * rstd;
        dot += dy[i] * w[i] * n;
        dweight[k][i] += dy[i] * rounded<T>(n);
      }
    }
    const float mean = block_sum(dot, scratch[(row - begin) % 2]) / static_cast<float>(hidden);

#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
      const int column = first + k * stride;
      if (column >= hidden) break;
      float dy[kWidth];
      float x[kWidth];
      float w[kWidth];
      float dx[kWidth];
      unpack(current.dy[k], dy);
      unpack(current.x[k], x);
      unpack(weight[k], w);
      unpack(current.dx[k], dx);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) dx[i] += rstd * (dy[i] * w[i] - x[i] * rstd * mean);
      pack(dx, current.dx[k]);
      store_pack(p.dx + row * p.hidden + column, current.dx[k]);
    }
    current = next;
  }

#pragma unroll
  for (int k = 0; k < kPacks; ++k)
    if (first + k * stride < hidden)
      store_floats(p.partial + blockIdx.x * p.hidden + first + k * stride, dweight[k]);
}

/// Any h, any alignment: a block per row, which is read twice.
template <class T>
__global__ void __launch_bounds__(kPlainThreads) rmsnorm_dx_plain_kernel(BackwardRows<T> p) {
  __shared__ float scratch[kMaxWarps];
  const int64_t start = blockIdx.x * p.hidden;
  const float rstd = p.rstd[blockIdx.x];
  float dot = 0;
  for (int64_t j = threadIdx.x; j < p.hidden; j += blockDim.x)
    dot += to_float(p.dy[start + j]) * to_float(p.weight[j]) * (to_float(p.x[start + j]) * rstd);
  const float mean = block_sum(dot, scratch) / static_cast<float>(p.hidden);
  for (int64_t j = threadIdx.x; j < p.hidden; j += blockDim.x) {
    const float g = to_float(p.dy[start + j]) * to_float(p.weight[j]);
    const float n = to_float(p.x[start + j]) * rstd;
    p.dx[start + j] = from_float<T>(to_float(p.dx[start + j]) + rstd * (g - n * mean));
  }
}

/// The same slices of dweight as above, a thread per column. Grid: x = slices, y = blocks of
/// columns.
template <class T>
__global__ void __launch_bounds__(kPlainThreads) rmsnorm_dweight_plain_kernel(BackwardRows<T> p) {
  const int64_t column = int64_t{blockIdx.y} * blockDim.x + threadIdx.x;
  if (column >= p.hidden) return;
  const int64_t end = slice_begin(p.rows, int64_t{blockIdx.x} + 1);
  float sum = 0;
  for (int64_t row = slice_begin(p.rows, blockIdx.x); row < end; ++row) {
    const int64_t at = row * p.hidden + column;
    sum += to_float(p.dy[at]) * rounded<T>(to_float(p.x[at]) * p.rstd[row]);
  }
  p.partial[blockIdx.x * p.hidden + column] = sum;
}

/// dweight [h] += sum over slices of partial [slices, h]. Warp g adds slices g, g + 16, ..., then
/// the warps' sums are added in order.
__global__ void __launch_bounds__(kFinalColumns* kFinalGroups)
    rmsnorm_add_slices_kernel(const float* __restrict__ partial, float* __restrict__ dweight,
                              int slices, int64_t hidden) {
  __shared__ float sums[kFinalGroups][kFinalColumns];
  const int lane = static_cast<int>(threadIdx.x) % kFinalColumns;
  const int group = static_cast<int>(threadIdx.x) / kFinalColumns;
  const int64_t column = int64_t{blockIdx.x} * kFinalColumns + lane;
  float sum = 0;
  if (column < hidden) {
#pragma unroll 8
    for (int slice = group; slice < slices; slice += kFinalGroups)
      sum += partial[slice * hidden + column];
  }
  sums[group][lane] = sum;
  __syncthreads();
  if (group != 0 || column >= hidden) return;
  for (int g = 1; g < kFinalGroups; ++g) sum += sums[g][lane];
  dweight[column] += sum;
}

template <class T>
void backward(cudaStream_t queue, const RmsNormBackward& op) {
  const int64_t rows = op.x.size(0);
  const int64_t hidden = op.x.size(1);
  const int64_t slices = rmsnorm_slices(rows);
  const BackwardRows<T> arguments{pointer<const T>(op.dy),
                                  pointer<const T>(op.x),
                                  pointer<const T>(op.weight),
                                  pointer<const float>(op.rstd),
                                  pointer<T>(op.dx),
                                  pointer<float>(op.workspace),
                                  rows,
                                  hidden};
  const int64_t threads = round_up(ceil_div(hidden, kPacks * kVectorWidth<T>), 32);
  const bool packed = hidden % kVectorWidth<T> == 0 && is_aligned(op.dy) && is_aligned(op.x) &&
                      is_aligned(op.weight) && is_aligned(op.dx);
  if (packed && threads <= kMaxThreads) {
    launch_kernel(queue, row_of_blocks(slices, static_cast<int>(threads)),
                  rmsnorm_backward_kernel<T>, arguments);
  } else {
    launch_kernel(queue, rows_of_packs(slices, hidden, kPlainThreads),
                  rmsnorm_dweight_plain_kernel<T>, arguments);
    launch_kernel(queue, row_of_blocks(rows, kPlainThreads), rmsnorm_dx_plain_kernel<T>, arguments);
  }
  launch_kernel(queue, row_of_blocks(ceil_div(hidden, kFinalColumns), kFinalColumns * kFinalGroups),
                rmsnorm_add_slices_kernel, arguments.partial, pointer<float>(op.dweight), slices,
                hidden);
}

}  // namespace

void run(Stream& stream, const RmsNormBackward& op) {
  if (op.x.numel() == 0) return;
  cudaStream_t queue = enter(stream);
  visit_gpu_dtype("RMSNorm", op.x.dtype, [&]<class T>(T) { backward<T>(queue, op); });
}

}  // namespace swallow::cuda
