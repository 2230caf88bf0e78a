// Cross-entropy over a rank's columns of the vocabulary on a GPU, in fp32 and the loss in double.
// Deterministic: a row belongs to one block, whose partial results meet in a fixed tree; the loss
// is added by one block in the order that the contract states. Bandwidth-bound, for n = rows v/t
// logits of e bytes: Local reads n e bytes once, keeping a running maximum; Backward moves 2 n e in
// place; a good run reaches 85-90 % of the memory's bandwidth. The special-function unit comes
// next: one 2^x per logit is 65 % of it for bf16 at an H200's 4.8 TB/s.
#include <cuda_bf16.h>

#include <cfloat>
#include <cmath>
#include <cstdint>

#include "base/check.h"
#include "base/math.h"
#include "gpu_types.h"
#include "kernel_launch.h"
#include "kernels/cross_entropy.h"
#include "stream.h"
#include "vec.cuh"

namespace swallow::cuda {

namespace {

constexpr unsigned kWholeWarp = 0xFFFFFFFF;
constexpr int kWarp = 32;
constexpr int kRowThreads = 256;  // of a row in Local: eight blocks on a multiprocessor
constexpr int kMaxThreads = 512;
// Below every finite maximum. Unlike minus infinity it may be subtracted from itself.
constexpr float kNothing = -FLT_MAX;

/// e^x for x <= 0 with a relative error of 2^-22 + |x| 2^-23, by one instruction of the
/// special-function unit; results below 2^-126 become 0, whose care would cost exp2f three
/// instructions more.
__device__ float exp_of_difference(float x) {
  constexpr float kLog2E = 1.44269504F;
#ifdef __CUDA_ARCH__
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x * kLog2E));
  return result;
#else
  return exp2f(x * kLog2E);
#endif
}

/// A part of a row: its maximum and the sum of exp(logit - maximum).
struct Part {
  float maximum;
  float sum;
};

__device__ Part merge(const Part& a, const Part& b) {
  const float maximum = fmaxf(a.maximum, b.maximum);
  return {maximum, a.sum * exp_of_difference(a.maximum - maximum) +
                       b.sum * exp_of_difference(b.maximum - maximum)};
}

/// Adds a pack. The sum is brought to a new maximum only when there is one, which is seldom after
/// the first packs of a row.
template <class T, int kCount>
__device__ void accumulate(Part& part, const Packed<T, kCount>& logits) {
  float maximum = part.maximum;
#pragma unroll
  for (int i = 0; i < kCount; ++i) maximum = fmaxf(maximum, to_float(logits.element[i]));
  if (maximum > part.maximum) {
    part.sum *= exp_of_difference(part.maximum - maximum);
    part.maximum = maximum;
  }
#pragma unroll
  for (int i = 0; i < kCount; ++i)
    part.sum += exp_of_difference(to_float(logits.element[i]) - maximum);
}

/// The parts of `kThreads` lanes in a fixed tree; the result is valid in lane 0.
template <int kThreads>
__device__ Part merge_lanes(Part part) {
#pragma unroll
  for (unsigned distance = kThreads / 2; distance > 0; distance /= 2)
    part = merge(part, {__shfl_down_sync(kWholeWarp, part.maximum, distance),
                        __shfl_down_sync(kWholeWarp, part.sum, distance)});
  return part;
}

/// logits [rows, columns], targets [rows], maxima [rows], sums [2, rows]; a block per row.
template <class T, int kCount>
__global__ void __launch_bounds__(kRowThreads)
    local_kernel(const T* __restrict__ logits, const int* __restrict__ targets,
                 float* __restrict__ maxima, float* __restrict__ sums, int64_t columns,
                 int64_t vocab_start, int64_t valid) {
  using Pack = Packed<T, kCount>;
  constexpr int kWarps = kRowThreads / kWarp;
  __shared__ Part of_warp[kWarps];
  const int64_t row = blockIdx.x;
  const T* own = logits + row * columns;
  const auto* packs = reinterpret_cast<const Pack*>(own);
  const int num_packs = static_cast<int>(valid / kCount);
  const int thread = static_cast<int>(threadIdx.x);

  Part part = {kNothing, 0};
  int at = thread;
  for (; at < num_packs - kRowThreads; at += 2 * kRowThreads) {  // two loads under way
    const Pack first = packs[at];
    const Pack second = packs[at + kRowThreads];
    accumulate(part, first);
    accumulate(part, second);
  }
  if (at < num_packs) accumulate(part, packs[at]);
  const int64_t rest = int64_t{num_packs} * kCount + thread;
  if (rest < valid) accumulate(part, Packed<T, 1>{own[rest]});

  part = merge_lanes<kWarp>(part);
  if (thread % kWarp == 0) of_warp[thread / kWarp] = part;
  __syncthreads();
  if (thread >= kWarp) return;
  part = merge_lanes<kWarps>(thread < kWarps ? of_warp[thread] : Part{kNothing, 0});
  if (thread > 0) return;
  maxima[row] = part.maximum == kNothing ? -INFINITY : part.maximum;
  sums[row] = part.sum;
  const int64_t target = targets[row] - vocab_start;
  sums[gridDim.x + row] = target >= 0 && target < valid ? to_float(own[target]) : 0.0F;
}

/// One thread per row.
__global__ void __launch_bounds__(kRowThreads)
    rescale_kernel(const float* __restrict__ local, const float* __restrict__ global,
                   float* __restrict__ sums, int64_t rows) {
  const int64_t row = int64_t{blockIdx.x} * kRowThreads + threadIdx.x;
  if (row < rows) sums[row] *= expf(local[row] - global[row]);
}

/// One block, a thread per lane of the sum. 16,384 rows take a multiprocessor some 10 us of double
/// logarithms on an H200 and 25 us on an A100.
__global__ void __launch_bounds__(kLossLanes)
    loss_kernel(const float* __restrict__ maxima, const float* __restrict__ sums, double* loss,
                int64_t rows) {
  __shared__ double lanes[kLossLanes];
  const int lane = static_cast<int>(threadIdx.x);
  double sum = 0;
  for (int64_t row = lane; row < rows; row += kLossLanes)
    sum += log(static_cast<double>(sums[row])) + static_cast<double>(maxima[row]) -
           static_cast<double>(sums[rows + row]);
  lanes[lane] = sum;
  for (int width = kLossLanes / 2; width > 0; width /= 2) {
    __syncthreads();
    if (lane < width) lanes[lane] += lanes[lane + width];
  }
  if (lane == 0) *loss += lanes[0];
}

/// logits [rows, columns] in place; one thread per pack of columns, which reads what it overwrites.
/// Grid: x = rows, y = blocks of columns.
template <class T, int kCount>
__global__ void __launch_bounds__(kMaxThreads)
    backward_kernel(T* logits, const int* __restrict__ targets, const float* __restrict__ maxima,
                    const float* __restrict__ sums, int64_t columns, int64_t vocab_start,
                    int64_t valid, float scale) {
  using Pack = Packed<T, kCount>;
  const int64_t column = (int64_t{blockIdx.y} * blockDim.x + threadIdx.x) * kCount;
  if (column >= columns) return;
  const int64_t row = blockIdx.x;
  auto* own = reinterpret_cast<Pack*>(logits + row * columns + column);
  Pack pack = *own;
  const float maximum = maxima[row];
  const float factor = 1.0F / sums[row];
  // The target within the pack, if it is there; one in the padding is nobody's.
  const int target = static_cast<int>(targets[row] - vocab_start - column);
  const int left = static_cast<int>(valid - column);
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    float probability = exp_of_difference(to_float(pack.element[i]) - maximum) * factor;
    if (target == i) probability -= 1.0F;
    pack.element[i] = from_float<T>(i < left ? probability * scale : 0.0F);
  }
  *own = pack;
}

template <class T, int kCount>
void local(cudaStream_t queue, const CrossEntropyLocal& op) {
  launch_kernel(queue, row_of_blocks(op.logits.size(0), kRowThreads), local_kernel<T, kCount>,
                pointer<const T>(op.logits), pointer<const int>(op.targets),
                pointer<float>(op.maxima), pointer<float>(op.sums), op.logits.size(1),
                op.vocab_start, op.valid);
}

/// As few blocks per row as kMaxThreads allows, of equal width in whole warps.
template <class T, int kCount>
void backward(cudaStream_t queue, const CrossEntropyBackward& op) {
  const int64_t rows = op.logits.size(0);
  const int64_t columns = op.logits.size(1);
  const int64_t packs = ceil_div(columns, kCount);
  const int64_t blocks = ceil_div(packs, kMaxThreads);
  SWALLOW_CHECK(rows <= INT32_MAX && blocks <= 65535,
                "cross entropy of [{}, {}] exceeds a CUDA grid", rows, columns);
  const LaunchShape shape = {dim3(static_cast<unsigned>(rows), static_cast<unsigned>(blocks)),
                             static_cast<unsigned>(round_up(ceil_div(packs, blocks), kWarp))};
  launch_kernel(queue, shape, backward_kernel<T, kCount>, pointer<T>(op.logits),
                pointer<const int>(op.targets), pointer<const float>(op.global_maxima),
                pointer<const float>(op.sums), columns, op.vocab_start, op.valid, op.scale);
}

/// Calls fn(T{}, std::integral_constant<int, kCount>{}): packs of 16 bytes where all rows start on
/// a multiple of them.
template <class Fn>
void visit_packs(const Tensor& logits, Fn&& fn) {
  visit_gpu_dtype("cross entropy", logits.dtype, [&]<class T>(T) {
    constexpr int kWidth = kVectorWidth<T>;
    if (logits.size(1) % kWidth == 0 && is_aligned(logits))
      fn(T{}, std::integral_constant<int, kWidth>{});
    else
      fn(T{}, std::integral_constant<int, 1>{});
  });
}

void require_f32(const Tensor& sums) {
  if (sums.dtype != DType::f32)
    throw DeviceError("cross entropy on a GPU keeps f32 sums, got {}", name_of(sums.dtype));
}

}  // namespace

void run(Stream& stream, const CrossEntropyLocal& op) {
  if (op.logits.size(0) == 0) return;
  cudaStream_t queue = enter(stream);
  visit_packs(op.logits, [&]<class T, int kCount>(T, std::integral_constant<int, kCount>) {
    local<T, kCount>(queue, op);
  });
}

void run(Stream& stream, const CrossEntropyRescale& op) {
  const int64_t rows = op.sums.size(1);
  if (rows == 0) return;
  require_f32(op.sums);
  cudaStream_t queue = enter(stream);
  launch_kernel(queue, row_of_blocks(ceil_div(rows, kRowThreads), kRowThreads), rescale_kernel,
                pointer<const float>(op.local_maxima), pointer<const float>(op.global_maxima),
                pointer<float>(op.sums), rows);
}

void run(Stream& stream, const CrossEntropyLoss& op) {
  const int64_t rows = op.sums.size(1);
  if (rows == 0) return;
  require_f32(op.sums);
  cudaStream_t queue = enter(stream);
  launch_kernel(queue, row_of_blocks(1, kLossLanes), loss_kernel,
                pointer<const float>(op.global_maxima), pointer<const float>(op.sums),
                pointer<double>(op.loss), rows);
}

void run(Stream& stream, const CrossEntropyBackward& op) {
  if (op.logits.numel() == 0) return;
  cudaStream_t queue = enter(stream);
  visit_packs(op.logits, [&]<class T, int kCount>(T, std::integral_constant<int, kCount>) {
    backward<T, kCount>(queue, op);
  });
}

}  // namespace swallow::cuda
