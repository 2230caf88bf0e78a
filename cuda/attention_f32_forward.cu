// Causal grouped-query attention in fp32 on CUDA cores, forward, with online softmax: nothing of
// size s x s exists. Deterministic: every sum has one owner and runs over tokens in order. Bound by
// fp32 arithmetic and shared memory: a few TFLOPS, enough for checks and small models; training in
// bf16 uses attention.cpp.
#include <cmath>
#include <cstdint>

#include "attention_f32.cuh"
#include "attention_f32.h"
#include "gpu_types.h"

namespace swallow::cuda {

namespace {

/// out [s, b, n, d], stats [b, n, s] from qkv [s, b, n + 2k, d]; a block per tile of queries.
template <int kDim>
__global__ void __launch_bounds__(Tile<kDim>::kThreads, kBlocks)
    forward_kernel(float* qkv, float* out, float* __restrict__ stats, Sizes x, float scale) {
  using T = Tile<kDim>;
  __shared__ T q;
  __shared__ T k;
  __shared__ T v;
  __shared__ ScoreTile<kDim> p;
  const BlockPlace at = block_place((x.s + T::kRows - 1) / T::kRows, x.n);
  const int kv_head = at.head / (x.n / x.k);
  const int slots = x.n + 2 * x.k;
  const Head keys = head_of(qkv, x, slots, at.batch, x.n + kv_head);
  const Head values = head_of(qkv, x, slots, at.batch, x.n + x.k + kv_head);
  const int row = static_cast<int>(threadIdx.x) / kRowThreads;
  const int lane = static_cast<int>(threadIdx.x) % kRowThreads;
  const int query = at.tile * T::kRows + row;

  load(q, head_of(qkv, x, slots, at.batch, at.head), at.tile * T::kRows, x);
  float4 sums[T::kSums] = {};
  float maximum = -INFINITY;
  float sum = 0;
  for (int first = 0; first <= at.tile * T::kRows; first += T::kRows) {
    __syncthreads();  // the tiles of the step before were read
    load(k, keys, first, x);
    load(v, values, first, x);
    __syncthreads();
    float score[T::kScores];
    float highest = maximum;
#pragma unroll
    for (int i = 0; i < T::kScores; ++i) {
      const int j = lane + kRowThreads * i;
      score[i] = first + j <= query ? scale * dot(q, row, k, j) : -INFINITY;
      highest = fmaxf(highest, score[i]);
    }
    highest = row_max(highest);  // finite: every tile holds a key that its queries see
    float added = 0;
#pragma unroll
    for (int i = 0; i < T::kScores; ++i) {
      const float weight = expf(score[i] - highest);
      p.row[row][lane + kRowThreads * i] = weight;
      added += weight;
    }
    const float shrink = expf(maximum - highest);
    sum = sum * shrink + row_sum(added);
    maximum = highest;
#pragma unroll
    for (int c = 0; c < T::kSums; ++c) {
      sums[c].x *= shrink;
      sums[c].y *= shrink;
      sums[c].z *= shrink;
      sums[c].w *= shrink;
    }
    __syncwarp();  // the row of p belongs to this warp
    add_product<kDim>(sums, p.row[row], v, lane);
  }
  store<kDim>(head_of(out, x, x.n, at.batch, at.head), query, x, lane, 1.0F / sum, sums);
  if (lane == 0 && query < x.s) stats[row_of(x, at.batch, at.head) + query] = maximum + logf(sum);
}

}  // namespace

void attention_f32_forward(cudaStream_t queue, const AttentionForward& op) {
  visit_columns(op.shape.head_dim, [&]<int kDim>(std::integral_constant<int, kDim>) {
    launch_kernel(queue, tiles<kDim>(op.shape, op.shape.heads), forward_kernel<kDim>,
                  pointer<float>(op.qkv), pointer<float>(op.out), pointer<float>(op.stats),
                  sizes_of(op.shape), static_cast<float>(op.scale));
  });
}

}  // namespace swallow::cuda
