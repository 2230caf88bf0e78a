// Shares the tasks of attention over threads: those of attention_forward.cpp and
// attention_backward.cpp, in the same two passes, done by AttentionKernels.
#include "kernels/cpu/wide_attention.h"

#include <algorithm>

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

/// Tiles [first, first + count) of one head.
struct HeadTiles {
  int64_t batch, head, first, count;
};

/// The tiles of all heads as tasks of as many tiles as leave each thread several tasks, so that
/// threads end together.
class TileTasks {
 public:
  TileTasks(const AttentionShape& shape, int64_t heads, int num_threads)
      : heads_(heads),
        tiles_(num_token_tiles(shape)),
        per_task_(
            std::clamp<int64_t>(shape.batch * heads * tiles_ / (4 * num_threads), 1, kTaskTiles)),
        all_heads_(shape.batch * heads) {}

  [[nodiscard]] int64_t count() const { return all_heads_ * ceil_div(tiles_, per_task_); }
  /// Earlier tasks have earlier tiles.
  [[nodiscard]] HeadTiles task(int64_t index) const {
    const int64_t head = index % all_heads_;
    const int64_t first = index / all_heads_ * per_task_;
    return {head / heads_, head % heads_, first, std::min(per_task_, tiles_ - first)};
  }

 private:
  int64_t heads_, tiles_, per_task_, all_heads_;
};

void forward_tiles(const AttentionKernels& kernels, const AttentionForward& op,
                   const HeadTiles& at) {
  const AttentionShape& shape = op.shape;
  const int64_t k = shape.heads + at.head / (shape.heads / shape.kv_heads);
  kernels.forward({.q = rows_of(op.qkv, shape, at.batch, at.head),
                   .k = rows_of(op.qkv, shape, at.batch, k),
                   .v = rows_of(op.qkv, shape, at.batch, k + shape.kv_heads),
                   .out = rows_of(op.out, shape, at.batch, at.head),
                   .stats = op.stats.as<float>() + row_of(shape, at.batch, at.head),
                   .head_dim = shape.head_dim,
                   .sequence = shape.sequence,
                   .first = at.first,
                   .tiles = at.count,
                   .scale = static_cast<float>(op.scale),
                   .scratch = scratch_of_thread(op)});
}

void backward_queries(const AttentionKernels& kernels, const AttentionBackward& op,
                      const HeadTiles& at) {
  const AttentionShape& shape = op.shape;
  const int64_t k = shape.heads + at.head / (shape.heads / shape.kv_heads);
  const int64_t row = row_of(shape, at.batch, at.head);
  kernels.backward_queries({.q = rows_of(op.qkv, shape, at.batch, at.head),
                            .k = rows_of(op.qkv, shape, at.batch, k),
                            .v = rows_of(op.qkv, shape, at.batch, k + shape.kv_heads),
                            .out = rows_of(op.out, shape, at.batch, at.head),
                            .dout = rows_of(op.dout, shape, at.batch, at.head),
                            .dq = rows_of(op.dqkv, shape, at.batch, at.head),
                            .stats = op.stats.as<float>() + row,
                            .delta = static_cast<float*>(op.workspace.data) + row,
                            .head_dim = shape.head_dim,
                            .sequence = shape.sequence,
                            .first = at.first,
                            .tiles = at.count,
                            .scale = static_cast<float>(op.scale),
                            .scratch = scratch_of_thread(op)});
}

/// `at.head` is one of keys and values.
void backward_keys(const AttentionKernels& kernels, const AttentionBackward& op,
                   const HeadTiles& at) {
  const AttentionShape& shape = op.shape;
  const int64_t group = shape.heads / shape.kv_heads;
  const int64_t k = shape.heads + at.head;
  const int64_t v = k + shape.kv_heads;
  const int64_t row = row_of(shape, at.batch, at.head * group);
  kernels.backward_keys({.q = rows_of(op.qkv, shape, at.batch, at.head * group),
                         .k = rows_of(op.qkv, shape, at.batch, k),
                         .v = rows_of(op.qkv, shape, at.batch, v),
                         .dout = rows_of(op.dout, shape, at.batch, at.head * group),
                         .dk = rows_of(op.dqkv, shape, at.batch, k),
                         .dv = rows_of(op.dqkv, shape, at.batch, v),
                         .stats = op.stats.as<float>() + row,
                         .delta = static_cast<const float*>(op.workspace.data) + row,
                         .group = group,
                         .head_dim = shape.head_dim,
                         .sequence = shape.sequence,
                         .first = at.first,
                         .tiles = at.count,
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
  const int num_threads = stream.num_threads();
  const TileTasks tasks(op.shape, op.shape.heads, num_threads);
  const int64_t count = tasks.count();
  // Late tiles are the long ones: they go first, so that threads end together.
#pragma omp parallel for num_threads(num_threads) schedule(dynamic) if (count > 1)
  for (int64_t i = 0; i < count; ++i) forward_tiles(*kernels, op, tasks.task(count - 1 - i));
  return true;
}

bool wide_attention(Stream& stream, const AttentionBackward& op) {
  const AttentionKernels* kernels = find_kernels(cpu_level(stream), op.qkv.dtype);
  if (kernels == nullptr) return false;
  const int num_threads = stream.num_threads();
  const TileTasks of_queries(op.shape, op.shape.heads, num_threads);
  const int64_t query_tasks = of_queries.count();
#pragma omp parallel for num_threads(num_threads) schedule(dynamic) if (query_tasks > 1)
  for (int64_t i = 0; i < query_tasks; ++i)
    backward_queries(*kernels, op, of_queries.task(query_tasks - 1 - i));
  const TileTasks of_keys(op.shape, op.shape.kv_heads, num_threads);
  const int64_t key_tasks = of_keys.count();
#pragma omp parallel for num_threads(num_threads) schedule(dynamic) if (key_tasks > 1)
  for (int64_t i = 0; i < key_tasks; ++i) backward_keys(*kernels, op, of_keys.task(i));
  return true;
}

}  // namespace swallow::cpu
