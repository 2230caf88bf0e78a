// The sum of squares on a GPU, bit for bit that of the CPU: one thread adds the squares of one
// block of kReduceBlock elements in order and in double, where the square of a float is exact, and
// block sums meet in integers only. Deterministic in every grid. Bandwidth-bound: reads 4 n bytes.
// A multiprocessor of an H200 gets 21 bytes a clock, so a warp's 32 KiB may cost it 1575 clocks;
// they take 512 of its conversion unit (16 floats a clock), 128 to 256 of its double-precision
// units and about 350 of issue. 32 resident warps with 4 KiB of loads each keep far more in flight
// than the memory's latency needs, and hide the 256 dependent additions.
#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "base/math.h"
#include "gpu_types.h"
#include "kernel_launch.h"
#include "kernels/reduce.h"
#include "stream.h"
#include "vec.cuh"

namespace swallow::cuda {

namespace {

constexpr unsigned kWholeWarp = 0xFFFFFFFF;
constexpr int kWarp = 32;
constexpr int kWarps = 4;  // of a block
// Blocks per multiprocessor: 32 warps fit with 64 registers a thread, their tiles in 147 KiB.
constexpr int kResident = 8;
constexpr int kBlock = static_cast<int>(kReduceBlock);
constexpr int64_t kSpan = kWarp * kReduceBlock;  // elements a warp takes at a time

using Quad = Packed<float, 4>;
constexpr int kTileQuads = 8;  // of each of a warp's blocks: 128 bytes, whole lines of memory
// A row of a tile ends in an unused quad, so that neither rows nor columns meet in a bank.
using Tile = Quad[kWarp][kTileQuads + 1];

/// x[0 .. 3], zeros from x[left] on: their squares change no sum.
template <bool kAligned>
__device__ Quad load_quad(const float* __restrict__ x, int left) {
  if (kAligned && left >= 4) return *reinterpret_cast<const Quad*>(x);
  Quad quad;
#pragma unroll
  for (int i = 0; i < 4; ++i) quad.element[i] = i < left ? x[i] : 0.0F;
  return quad;
}

/// The sum of squares of the lane's own block among the warp's, the first `count` elements of x.
/// Lines are loaded by the whole warp and handed to their lanes in `tile`.
template <bool kAligned>
__device__ double sum_own_block(const float* __restrict__ x, int count, Tile& tile, int lane) {
  constexpr int kRows = kWarp / kTileQuads;  // that the warp loads at a time
  const int row = lane / kTileQuads;
  const int quad = lane % kTileQuads;
  const int begin = row * kBlock + 4 * quad;
  double sum = 0;
#pragma unroll 1
  for (int column = 0; column < kBlock; column += 4 * kTileQuads) {
    Quad loaded[kTileQuads];
#pragma unroll
    for (int i = 0; i < kTileQuads; ++i) {
      const int at = begin + column + i * kRows * kBlock;
      loaded[i] = load_quad<kAligned>(x + at, count - at);
    }
    __syncwarp();  // the tile before this one has been read
#pragma unroll
    for (int i = 0; i < kTileQuads; ++i) tile[row + i * kRows][quad] = loaded[i];
    __syncwarp();
#pragma unroll
    for (int i = 0; i < kTileQuads; ++i) {
      const Quad own = tile[lane][i];
#pragma unroll
      for (const float element : own.element) {
        const auto value = static_cast<double>(element);
        sum += value * value;
      }
    }
  }
  return sum;
}

/// What the block sums of all 32 lanes add to the limb that this lane keeps.
__device__ unsigned long long sum_of_limb(double block_sum, int lane) {
  const ExactSum::Term own = ExactSum::term(block_sum);
  unsigned long long limb = 0;
#pragma unroll 4
  for (int source = 0; source < kWarp; ++source) {
    const int place = lane - __shfl_sync(kWholeWarp, own.limb, source);
#pragma unroll
    for (int i = 0; i < 3; ++i) {
      const unsigned part = __shfl_sync(kWholeWarp, own.part[i], source);
      limb += place == i ? part : 0;
    }
  }
  return limb;
}

/// x [n], sum [ExactSum::kLimbs]. Grid: as many blocks as are resident at once.
template <bool kAligned>
__global__ void __launch_bounds__(kWarp* kWarps, kResident)
    sum_squares_kernel(const float* __restrict__ x, int64_t n, unsigned long long* sum) {
  static_assert(ExactSum::kLimbs <= kWarp);
  __shared__ Tile tiles[kWarps];
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t stride = int64_t{gridDim.x} * kWarps * kSpan;
  unsigned long long limb = 0;
  for (int64_t at = (int64_t{blockIdx.x} * kWarps + warp) * kSpan; at < n; at += stride) {
    const auto count = static_cast<int>(n - at < kSpan ? n - at : kSpan);
    limb += sum_of_limb(sum_own_block<kAligned>(x + at, count, tiles[warp], lane), lane);
  }
  if (lane < ExactSum::kLimbs && limb != 0) atomicAdd(sum + lane, limb);
}

}  // namespace

void run(Stream& stream, const SumSquares& op) {
  const int64_t n = op.x.numel();
  if (n == 0) return;
  if (op.x.dtype != DType::f32)
    throw DeviceError("the sum of squares on a GPU takes f32, got {}", name_of(op.x.dtype));
  cudaStream_t queue = enter(stream);
  int multiprocessors = 0;
  CUDA_CHECK(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount,
                                    stream.device().index));
  const int64_t blocks =
      std::min<int64_t>(ceil_div(n, kWarps * kSpan), int64_t{kResident} * multiprocessors);
  launch_kernel(queue, row_of_blocks(blocks, kWarp * kWarps),
                is_aligned(op.x) ? sum_squares_kernel<true> : sum_squares_kernel<false>,
                pointer<const float>(op.x), n, pointer<unsigned long long>(op.sum));
}

}  // namespace swallow::cuda
