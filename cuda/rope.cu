// Rotary position embedding on a GPU, in place: (u, w) -> (u cos - w sin, w cos + u sin) in fp32,
// rounded once. Deterministic: no pair meets another. Bandwidth-bound: the turning heads are read
// and written once, 2 rows heads d bytes of bf16 each way; the table stays in the caches.
#include <cuda_bf16.h>

#include <algorithm>
#include <cstdint>

#include "base/math.h"
#include "gpu_types.h"
#include "kernel_launch.h"
#include "kernels/rope.h"
#include "stream.h"
#include "vec.cuh"

namespace swallow::cuda {

namespace {

// A thread turns the same pairs of four heads: it reads the angles once, 64 bytes of f32 for 32
// bytes of bf16, and has 8 loads of 16 bytes on their way.
constexpr int kHeads = 4;
constexpr int kMaxThreads = 256;

template <class T>
struct RopeRows {
  T* qkv;              // [s, b, width]
  const float* table;  // [s, d]: d/2 cosines, then d/2 sines
  int64_t width;
  int batch;
  int heads;  // that turn
  int half;   // d/2
  float sign;
};

template <class T, int kCount>
__device__ void turn(RawPack<T, kCount>& u, RawPack<T, kCount>& w, const float (&cosine)[kCount],
                     const float (&sine)[kCount]) {
  float a[kCount];
  float b[kCount];
  unpack(u, a);
  unpack(w, b);
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    const float turned = a[i] * cosine[i] - b[i] * sine[i];
    b[i] = b[i] * cosine[i] + a[i] * sine[i];
    a[i] = turned;
  }
  pack(a, u);
  pack(b, w);
}

/// A block per row of qkv. An item is kCount neighbouring pairs of kHeads heads.
template <class T, int kCount>
__global__ void __launch_bounds__(kMaxThreads) rope_kernel(RopeRows<T> p) {
  using Pack = RawPack<T, kCount>;
  T* row = p.qkv + blockIdx.x * p.width;
  const float* angles = p.table + static_cast<int64_t>(blockIdx.x / p.batch) * 2 * p.half;
  const int packs = p.half / kCount;
  const int items = (p.heads + kHeads - 1) / kHeads * packs;
  for (int item = static_cast<int>(threadIdx.x); item < items;
       item += static_cast<int>(blockDim.x)) {
    const int pair = item % packs * kCount;
    const int first_head = item / packs * kHeads;
    T* first = row + int64_t{first_head} * 2 * p.half + pair;

    Pack u[kHeads] = {};
    Pack w[kHeads] = {};
#pragma unroll
    for (int k = 0; k < kHeads; ++k) {
      if (first_head + k >= p.heads) break;
      u[k] = load_pack<kCount>(first + k * 2 * p.half);
      w[k] = load_pack<kCount>(first + k * 2 * p.half + p.half);
    }
    float cosine[kCount];
    float sine[kCount];
    load_floats(cosine, angles + pair);
    load_floats(sine, angles + p.half + pair);
#pragma unroll
    for (int i = 0; i < kCount; ++i) sine[i] *= p.sign;
#pragma unroll
    for (int k = 0; k < kHeads; ++k) {
      if (first_head + k >= p.heads) break;
      turn(u[k], w[k], cosine, sine);
      store_pack(first + k * 2 * p.half, u[k]);
      store_pack(first + k * 2 * p.half + p.half, w[k]);
    }
  }
}

template <class T, int kCount>
void rotate(cudaStream_t queue, const Rope& op) {
  const int64_t half = op.table.size(1) / 2;
  SWALLOW_CHECK(op.qkv.size(2) <= INT32_MAX && op.qkv.size(1) <= INT32_MAX,
                "RoPE of {} exceeds 32-bit indices", to_string(op.qkv));
  const RopeRows<T> arguments{pointer<T>(op.qkv),
                              pointer<const float>(op.table),
                              op.qkv.size(2),
                              static_cast<int>(op.qkv.size(1)),
                              static_cast<int>(op.heads),
                              static_cast<int>(half),
                              op.direction == RopeDirection::forward ? 1.0F : -1.0F};
  const int64_t items = ceil_div(op.heads, kHeads) * (half / kCount);
  const int64_t threads = std::min<int64_t>(round_up(items, 32), kMaxThreads);
  launch_kernel(queue, row_of_blocks(op.qkv.size(0) * op.qkv.size(1), static_cast<int>(threads)),
                rope_kernel<T, kCount>, arguments);
}

}  // namespace

void run(Stream& stream, const Rope& op) {
  if (op.qkv.numel() == 0) return;
  cudaStream_t queue = enter(stream);
  visit_gpu_dtype("RoPE", op.qkv.dtype, [&]<class T>(T) {
    constexpr int kWidth = kVectorWidth<T>;
    // Whole packs in half a head keep both halves of all heads aligned; rows need their own.
    if (op.table.size(1) / 2 % kWidth == 0 && op.qkv.size(2) % kWidth == 0 && is_aligned(op.qkv) &&
        is_aligned(op.table))
      rotate<T, kWidth>(queue, op);
    else
      rotate<T, 1>(queue, op);
  });
}

}  // namespace swallow::cuda
