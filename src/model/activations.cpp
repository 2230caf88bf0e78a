#include "model/activations.h"

#include "kernels/attention.h"
#include "kernels/gemm.h"
#include "kernels/rmsnorm.h"

namespace swallow {

namespace {

constexpr std::string_view kActivations = "activations";
constexpr std::string_view kScratch = "scratch";

Shape local_stream(const ModelShapes& m) {
  return {m.sequence_local, m.batch, m.hidden};
}
Shape wide(const ModelShapes& m, int64_t columns) {
  return {m.sequence, m.batch, columns};
}

/// Fills what `full` recompute may share between blocks; `names` says under which category.
void take_recomputable(const ModelShapes& m, std::string_view category, Arena& arena,
                       BlockActivations& a) {
  a.rstd1 = arena.take(category, m.main_dtype, {m.sequence_local * m.batch});
  a.qkv = arena.take(category, m.dtype, wide(m, m.qkv_local()));
  a.attn = arena.take(category, m.dtype, wide(m, m.attention_local()));
  a.stats = arena.take(category, m.main_dtype, {m.batch, m.heads_local(), m.sequence});
  a.x2 = arena.take(category, m.dtype, local_stream(m));
  a.rstd2 = arena.take(category, m.main_dtype, {m.sequence_local * m.batch});
  a.gate_up = arena.take(category, m.dtype, wide(m, 2 * m.ffn_local()));
}

/// Fills what is cheap to compute again: the normalised inputs and the SwiGLU product.
void take_cheap(const ModelShapes& m, std::string_view category, Arena& arena,
                BlockActivations& a) {
  a.n1 = arena.take(category, m.dtype, local_stream(m));
  a.n2 = arena.take(category, m.dtype, local_stream(m));
  a.act = arena.take(category, m.dtype, wide(m, m.ffn_local()));
}

/// The tensors that the recompute mode lets all blocks share, taken once.
BlockActivations take_shared(const ModelShapes& m, Arena& arena) {
  BlockActivations shared;
  if (m.recompute == Recompute::full) take_recomputable(m, kScratch, arena, shared);
  if (m.recompute != Recompute::none) take_cheap(m, kScratch, arena, shared);
  return shared;
}

SlotMemory take_slot(const ModelShapes& m, const BlockActivations& shared, Arena& arena) {
  SlotMemory slot;
  if (m.has_embedding) slot.tokens = arena.take(kActivations, DType::i32, {m.sequence, m.batch});
  if (m.has_head) slot.targets = arena.take(kActivations, DType::i32, {m.sequence, m.batch});
  slot.input = arena.take(kActivations, m.dtype, local_stream(m));
  for (int64_t i = 0; i < m.layers.size(); ++i) {
    BlockActivations a = shared;
    a.x1 = i == 0 ? slot.input : arena.take(kActivations, m.dtype, local_stream(m));
    if (m.recompute != Recompute::full) take_recomputable(m, kActivations, arena, a);
    if (m.recompute == Recompute::none) take_cheap(m, kActivations, arena, a);
    slot.blocks.push_back(a);
  }
  if (m.has_head) slot.final_x = arena.take(kActivations, m.dtype, local_stream(m));
  return slot;
}

void take_head_workspace(const ModelShapes& m, Arena& arena, Workspace& work) {
  const int64_t rows = m.head_rows;
  work.final_n = arena.take(kScratch, m.dtype, local_stream(m));
  work.final_rstd = arena.take(kScratch, m.main_dtype, {m.sequence_local * m.batch});
  work.logits = arena.take("logits", m.dtype, {rows, m.vocab_local});
  work.maxima = arena.take(kScratch, m.main_dtype, {rows});
  work.local_maxima = arena.take(kScratch, m.main_dtype, {rows});
  work.sums = arena.take(kScratch, m.main_dtype, {2, rows});
}

Workspace take_workspace(const ModelShapes& m, int num_threads, Arena& arena) {
  Workspace work;
  if (m.sequence_parallel) {
    work.gathered = arena.take(kScratch, m.dtype, wide(m, m.hidden));
    work.partial = arena.take(kScratch, m.dtype, wide(m, m.hidden));
  }
  work.delta = arena.take(kScratch, m.dtype, local_stream(m));
  work.dnorm = arena.take(kScratch, m.dtype, local_stream(m));
  work.dqkv = arena.take(kScratch, m.dtype, wide(m, m.qkv_local()));
  work.dattn = arena.take(kScratch, m.dtype, wide(m, m.attention_local()));
  work.dact = arena.take(kScratch, m.dtype, wide(m, m.ffn_local()));
  work.dgate_up = arena.take(kScratch, m.dtype, wide(m, 2 * m.ffn_local()));
  const AttentionShape attention{m.sequence, m.batch, m.heads_local(), m.kv_heads_local(),
                                 m.head_dim};
  work.attention = arena.take(
      kScratch, DType::u8,
      {attention_workspace_bytes(arena.device(), attention, m.dtype, num_threads, m.determinism)});
  work.gemm = arena.take(kScratch, DType::u8, {gemm_workspace_bytes(arena.device())});
  work.norm =
      arena.take(kScratch, DType::u8,
                 {rmsnorm_workspace_bytes(arena.device(), m.sequence_local * m.batch, m.hidden)});
  if (m.has_head) take_head_workspace(m, arena, work);
  return work;
}

}  // namespace

StageMemory take_stage_memory(const ModelShapes& m, int num_slots, int num_threads, Arena& arena) {
  StageMemory memory;
  memory.rope = arena.take(kScratch, DType::f32, {m.sequence, m.head_dim});
  const BlockActivations shared = take_shared(m, arena);
  for (int i = 0; i < num_slots; ++i) memory.slots.push_back(take_slot(m, shared, arena));
  memory.work = take_workspace(m, num_threads, arena);
  for (Tensor& output : memory.outputs)
    if (!m.has_head) output = arena.take("pipeline buffers", m.dtype, local_stream(m));
  for (Tensor& gradient : memory.gradients)
    gradient = arena.take("pipeline buffers", m.dtype, local_stream(m));
  memory.loss = arena.take(kScratch, DType::f64, {1});
  return memory;
}

}  // namespace swallow
