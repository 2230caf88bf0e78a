// Shares the tasks of attention over threads: those of attention_forward.cpp and
// attention_backward.cpp, in the same two passes, done by AttentionKernels.
#include "kernels/cpu/wide_attention.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/attention_kernels.h"
#include "kernels/cpu/attention_tile.h"
#include "kernels/cpu/cpu_features.h"
#include "kernels/cpu/worker.h"

namespace swallow::cpu {

namespace {

static_assert(kWideTile == kAttentionTile);

const AttentionKernels* find_kernels([[maybe_unused]] CpuLevel level,
                                     [[maybe_unused]] DType dtype) {
#if defined(__x86_64__)
  if (level == CpuLevel::plain) return nullptr;
  if (dtype == DType::f32) return &kAvx512F32Attention;
  if (dtype != DType::bf16) return nullptr;
  if (level == CpuLevel::amx) return &kAmxAttention;
  return level == CpuLevel::avx512_bf16 ? &kAvx512Bf16Attention : &kAvx512WidenedAttention;
#else
  return nullptr;
#endif
}

/// Head `slot` of [s, b, heads * d], where heads are counted over the whole row.
TokenRows rows_of(const Tensor& tensor, const AttentionShape& shape, int64_t batch, int64_t slot) {
  const int64_t width = tensor.size(2);
  const int64_t first = batch * width + slot * shape.head_dim;
  return {static_cast<std::byte*>(tensor.data) + first * size_of(tensor.dtype),
          shape.batch * width};
}

/// [b, n/t, s]
int64_t row_of(const AttentionShape& shape, int64_t batch, int64_t head) {
  return (batch * shape.heads + head) * shape.sequence;
}

template <class Op>
void* scratch_of_thread(const Op& op) {
  const int64_t offset = attention_delta_bytes(op.shape, op.qkv.dtype) +
                         worker() * attention_scratch_bytes(op.shape, op.qkv.dtype);
  return static_cast<std::byte*>(op.workspace.data) + offset;
}

void forward_tile(const AttentionKernels& kernels, const AttentionForward& op, int64_t batch,
                  int64_t head, int64_t tile) {
  const AttentionShape& shape = op.shape;
  const int64_t kv_head = head / (shape.heads / shape.kv_heads);
  float maximum[kWideTile];
  float sum[kWideTile];
  kernels.forward({.q = rows_of(op.qkv, shape, batch, head),
                   .k = rows_of(op.qkv, shape, batch, shape.heads + kv_head),
                   .v = rows_of(op.qkv, shape, batch, shape.heads + shape.kv_heads + kv_head),
                   .out = rows_of(op.out, shape, batch, head),
                   .head_dim = shape.head_dim,
                   .sequence = shape.sequence,
                   .tile = tile,
                   .scale = static_cast<float>(op.scale),
                   .maximum = maximum,
                   .sum = sum,
                   .scratch = scratch_of_thread(op)});
  const TokenTile queries(shape, tile);
  float* const stats = op.stats.as<float>() + row_of(shape, batch, head) + queries.begin;
  for (int64_t i = 0; i < queries.count; ++i) stats[i] = maximum[i] + std::log(sum[i]);
}

void backward_queries(const AttentionKernels& kernels, const AttentionBackward& op, int64_t batch,
                      int64_t head, int64_t tile) {
  const AttentionShape& shape = op.shape;
  const int64_t kv_head = head / (shape.heads / shape.kv_heads);
  kernels.backward_queries(
      {.q = rows_of(op.qkv, shape, batch, head),
       .k = rows_of(op.qkv, shape, batch, shape.heads + kv_head),
       .v = rows_of(op.qkv, shape, batch, shape.heads + shape.kv_heads + kv_head),
       .out = rows_of(op.out, shape, batch, head),
       .dout = rows_of(op.dout, shape, batch, head),
       .dq = rows_of(op.dqkv, shape, batch, head),
       .stats = op.stats.as<float>() + row_of(shape, batch, head),
       .delta = static_cast<float*>(op.workspace.data) + row_of(shape, batch, head),
       .head_dim = shape.head_dim,
       .sequence = shape.sequence,
       .tile = tile,
       .scale = static_cast<float>(op.scale),
       .scratch = scratch_of_thread(op)});
}

void backward_keys(const AttentionKernels& kernels, const AttentionBackward& op, int64_t batch,
                   int64_t kv_head, int64_t tile) {
  const AttentionShape& shape = op.shape;
  const int64_t group = shape.heads / shape.kv_heads;
  const int64_t k = shape.heads + kv_head;
  const int64_t v = k + shape.kv_heads;
  const int64_t row = row_of(shape, batch, kv_head * group);
  kernels.backward_keys({.q = rows_of(op.qkv, shape, batch, kv_head * group),
                         .k = rows_of(op.qkv, shape, batch, k),
                         .v = rows_of(op.qkv, shape, batch, v),
                         .dout = rows_of(op.dout, shape, batch, kv_head * group),
                         .dk = rows_of(op.dqkv, shape, batch, k),
                         .dv = rows_of(op.dqkv, shape, batch, v),
                         .stats = op.stats.as<float>() + row,
                         .delta = static_cast<const float*>(op.workspace.data) + row,
                         .group = group,
                         .head_dim = shape.head_dim,
                         .sequence = shape.sequence,
                         .tile = tile,
                         .scale = static_cast<float>(op.scale),
                         .scratch = scratch_of_thread(op)});
}

}  // namespace

int64_t wide_attention_scratch_bytes([[maybe_unused]] const AttentionShape& shape, DType dtype) {
  int64_t bytes = 0;
  for (const CpuLevel level : {CpuLevel::avx512, CpuLevel::avx512_bf16, CpuLevel::amx})
    if (const AttentionKernels* kernels = find_kernels(level, dtype); kernels != nullptr)
      bytes = std::max(bytes, kernels->scratch_bytes(shape.head_dim));
  return bytes;
}

bool wide_attention(Stream& stream, const AttentionForward& op) {
  const AttentionKernels* kernels = find_kernels(cpu_level(stream), op.qkv.dtype);
  if (kernels == nullptr) return false;
  const int64_t tiles = num_token_tiles(op.shape);
  const int64_t heads = op.shape.batch * op.shape.heads;
  [[maybe_unused]] const int num_threads = stream.num_threads();
  // Late tiles are the long ones: they go first, so that threads end together.
#pragma omp parallel for num_threads(num_threads) schedule(dynamic) if (heads * tiles > 1)
  for (int64_t task = 0; task < heads * tiles; ++task) {
    const int64_t head = task % heads;
    forward_tile(*kernels, op, head / op.shape.heads, head % op.shape.heads,
                 tiles - 1 - task / heads);
  }
  return true;
}

bool wide_attention(Stream& stream, const AttentionBackward& op) {
  const AttentionKernels* kernels = find_kernels(cpu_level(stream), op.qkv.dtype);
  if (kernels == nullptr) return false;
  const int64_t tiles = num_token_tiles(op.shape);
  const int64_t heads = op.shape.batch * op.shape.heads;
  const int64_t kv_heads = op.shape.batch * op.shape.kv_heads;
  [[maybe_unused]] const int num_threads = stream.num_threads();
#pragma omp parallel for num_threads(num_threads) schedule(dynamic) if (heads * tiles > 1)
  for (int64_t task = 0; task < heads * tiles; ++task) {
    const int64_t head = task % heads;
    backward_queries(*kernels, op, head / op.shape.heads, head % op.shape.heads,
                     tiles - 1 - task / heads);
  }
#pragma omp parallel for num_threads(num_threads) schedule(dynamic) if (kv_heads * tiles > 1)
  for (int64_t task = 0; task < kv_heads * tiles; ++task) {
    const int64_t head = task % kv_heads;
    backward_keys(*kernels, op, head / op.shape.kv_heads, head % op.shape.kv_heads,
                  task / kv_heads);
  }
  return true;
}

}  // namespace swallow::cpu
