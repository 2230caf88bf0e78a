// Causal grouped-query attention in fp32 on CUDA cores, backward: one pass by query tiles for dq
// and one by key tiles for dk and dv, each computing the probabilities again from the rows'
// statistics. Deterministic: every sum has one owner and runs over tokens and heads in order,
// without atomics. Bound by fp32 arithmetic and shared memory, like the forward pass.
#include <cmath>
#include <cstdint>

#include "attention_f32.cuh"
#include "attention_f32.h"
#include "gpu_types.h"

namespace swallow::cuda {

namespace {

/// delta [b, n, s] = dout . out of each row; kRowThreads threads a row.
__global__ void __launch_bounds__(256)
    delta_kernel(float* out, float* dout, float* __restrict__ delta, Sizes x) {
  const int64_t index = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / kRowThreads;
  const int64_t rows = row_of(x, x.b, 0);
  const int64_t row = index < rows ? index : rows - 1;  // whole warps must take part
  const auto head = static_cast<int>(row / x.s);
  const int64_t token = row % x.s;
  const Head a = head_of(out, x, x.n, head / x.n, head % x.n);
  const Head b = head_of(dout, x, x.n, head / x.n, head % x.n);
  const int lane = static_cast<int>(threadIdx.x) % kRowThreads;
  float sum = 0;
  for (int e = lane; e < x.d; e += kRowThreads)
    sum += a.data[token * a.stride + e] * b.data[token * b.stride + e];
  sum = row_sum(sum);
  if (lane == 0 && index < rows) delta[row] = sum;
}

/// The tensors of the backward pass.
struct Gradients {
  float* qkv;    // [s, b, n + 2k, d]
  float* stats;  // [b, n, s]
  float* delta;  // [b, n, s]
  float* dout;   // [s, b, n, d]
  float* dqkv;   // [s, b, n + 2k, d]
};

/// p = exp(score - stats) and ds = p (dp - delta) of one query and key, zero where the key is
/// masked or the query lies behind the end.
struct Softmax {
  float p, ds;
};
__device__ Softmax softmax_gradient(const Gradients& g, const Sizes& x, int64_t row_of_head,
                                    int query, int key, float score, float dp) {
  if (query >= x.s || key > query) return {0, 0};
  const float p = expf(score - g.stats[row_of_head + query]);
  return {p, p * (dp - g.delta[row_of_head + query])};
}

/// dq = scale ds k; a block per tile of queries.
template <int kDim>
__global__ void __launch_bounds__(Tile<kDim>::kThreads, kBlocks)
    dq_kernel(Gradients g, Sizes x, float scale) {
  using T = Tile<kDim>;
  __shared__ T q;
  __shared__ T dout;
  __shared__ T k;
  __shared__ T v;
  __shared__ ScoreTile<kDim> ds;
  const BlockPlace at = block_place((x.s + T::kRows - 1) / T::kRows, x.n);
  const int kv_head = at.head / (x.n / x.k);
  const int slots = x.n + 2 * x.k;
  const int row = static_cast<int>(threadIdx.x) / kRowThreads;
  const int lane = static_cast<int>(threadIdx.x) % kRowThreads;
  const int begin = at.tile * T::kRows;
  load(q, head_of(g.qkv, x, slots, at.batch, at.head), begin, x);
  load(dout, head_of(g.dout, x, x.n, at.batch, at.head), begin, x);
  float4 sums[T::kSums] = {};
  for (int first = 0; first <= begin; first += T::kRows) {
    __syncthreads();
    load(k, head_of(g.qkv, x, slots, at.batch, x.n + kv_head), first, x);
    load(v, head_of(g.qkv, x, slots, at.batch, x.n + x.k + kv_head), first, x);
    __syncthreads();
#pragma unroll
    for (int i = 0; i < T::kScores; ++i) {
      const int j = lane + kRowThreads * i;
      ds.row[row][j] = softmax_gradient(g, x, row_of(x, at.batch, at.head), begin + row, first + j,
                                        scale * dot(q, row, k, j), dot(dout, row, v, j))
                           .ds;
    }
    __syncwarp();
    add_product<kDim>(sums, ds.row[row], k, lane);
  }
  store<kDim>(head_of(g.dqkv, x, slots, at.batch, at.head), begin + row, x, lane, scale, sums);
}

/// dk = scale ds^T q and dv = p^T dout, summed over the query heads of a group; a block per tile of
/// keys.
template <int kDim>
__global__ void __launch_bounds__(Tile<kDim>::kThreads, kBlocks)
    dkv_kernel(Gradients g, Sizes x, float scale) {
  using T = Tile<kDim>;
  __shared__ T k;
  __shared__ T v;
  __shared__ T q;
  __shared__ T dout;
  __shared__ ScoreTile<kDim> p;   // [key, query]
  __shared__ ScoreTile<kDim> ds;  // [key, query]
  const BlockPlace at = block_place((x.s + T::kRows - 1) / T::kRows, x.k);
  const int group = x.n / x.k;
  const int slots = x.n + 2 * x.k;
  const int row = static_cast<int>(threadIdx.x) / kRowThreads;
  const int lane = static_cast<int>(threadIdx.x) % kRowThreads;
  const int begin = at.tile * T::kRows;
  load(k, head_of(g.qkv, x, slots, at.batch, x.n + at.head), begin, x);
  load(v, head_of(g.qkv, x, slots, at.batch, x.n + x.k + at.head), begin, x);
  float4 dk[T::kSums] = {};
  float4 dv[T::kSums] = {};
  for (int head = at.head * group; head < (at.head + 1) * group; ++head)
    for (int first = begin; first < x.s; first += T::kRows) {
      __syncthreads();
      load(q, head_of(g.qkv, x, slots, at.batch, head), first, x);
      load(dout, head_of(g.dout, x, x.n, at.batch, head), first, x);
      __syncthreads();
#pragma unroll
      for (int i = 0; i < T::kScores; ++i) {
        const int j = lane + kRowThreads * i;
        const Softmax softmax =
            softmax_gradient(g, x, row_of(x, at.batch, head), first + j, begin + row,
                             scale * dot(k, row, q, j), dot(v, row, dout, j));
        p.row[row][j] = softmax.p;
        ds.row[row][j] = softmax.ds;
      }
      __syncwarp();
      add_product<kDim>(dv, p.row[row], dout, lane);
      add_product<kDim>(dk, ds.row[row], q, lane);
    }
  store<kDim>(head_of(g.dqkv, x, slots, at.batch, x.n + at.head), begin + row, x, lane, scale, dk);
  store<kDim>(head_of(g.dqkv, x, slots, at.batch, x.n + x.k + at.head), begin + row, x, lane, 1.0F,
              dv);
}

}  // namespace

void attention_f32_backward(cudaStream_t queue, const AttentionBackward& op) {
  const AttentionShape& shape = op.shape;
  const Sizes sizes = sizes_of(shape);
  const Gradients g{pointer<float>(op.qkv), pointer<float>(op.stats), pointer<float>(op.workspace),
                    pointer<float>(op.dout), pointer<float>(op.dqkv)};
  constexpr int kThreads = 256;
  const int64_t rows = shape.batch * shape.heads * shape.sequence;
  launch_kernel(queue, row_of_blocks(ceil_div(rows * kRowThreads, kThreads), kThreads),
                delta_kernel, pointer<float>(op.out), g.dout, g.delta, sizes);
  const auto scale = static_cast<float>(op.scale);
  visit_columns(shape.head_dim, [&]<int kDim>(std::integral_constant<int, kDim>) {
    launch_kernel(queue, tiles<kDim>(shape, shape.heads), dq_kernel<kDim>, g, sizes, scale);
    launch_kernel(queue, tiles<kDim>(shape, shape.kv_heads), dkv_kernel<kDim>, g, sizes, scale);
  });
}

}  // namespace swallow::cuda
