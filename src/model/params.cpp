#include "model/params.h"

#include <cmath>

#include "base/philox.h"

namespace swallow {

namespace {

ParamSpec norm_spec(const ModelShapes& m, const std::string& name) {
  return {.shape = {m.hidden},
          .parts = {{.name = name, .shape = {m.hidden}, .row_begin = 0, .row_end = m.hidden}},
          .replicated = true,
          .weight_decay = false,
          .init = Init::one};
}

/// Rows [rank * rows_local, ...) of a canonical [rows_local * t, h] matrix, at `local_row`.
CanonicalPart row_block(const ModelShapes& m, const std::string& name, int64_t rows_local,
                        int64_t columns, int64_t local_row) {
  return {.name = name,
          .shape = {rows_local * m.tp, columns},
          .row_begin = rows_local * m.tp_rank,
          .row_end = rows_local * (m.tp_rank + 1),
          .column_begin = 0,
          .column_end = columns,
          .local_row = local_row};
}

ParamSpec column_parallel_spec(const ModelShapes& m, std::vector<CanonicalPart> parts) {
  int64_t rows = 0;
  for (const CanonicalPart& part : parts) rows += part.row_end - part.row_begin;
  return {.shape = {rows, m.hidden}, .parts = std::move(parts), .init_std = m.init_std};
}

/// Columns of a canonical [h, columns_local * t] matrix. Projections back into the residual stream
/// start smaller by sqrt(2 L), as in GPT-2 and Megatron.
ParamSpec row_parallel_spec(const ModelShapes& m, const std::string& name, int64_t columns_local) {
  return {.shape = {m.hidden, columns_local},
          .parts = {{.name = name,
                     .shape = {m.hidden, columns_local * m.tp},
                     .row_begin = 0,
                     .row_end = m.hidden,
                     .column_begin = columns_local * m.tp_rank,
                     .column_end = columns_local * (m.tp_rank + 1)}},
          .init_std = m.init_std / std::sqrt(2.0 * static_cast<double>(m.num_layers))};
}

ParamSpec vocab_spec(const ModelShapes& m, const std::string& name) {
  ParamSpec spec{.shape = {m.vocab_local, m.hidden}, .init_std = m.init_std};
  if (m.vocab_valid() > 0)
    spec.parts = {{.name = name,
                   .shape = {m.vocab, m.hidden},
                   .row_begin = m.vocab_start(),
                   .row_end = m.vocab_start() + m.vocab_valid(),
                   .column_begin = 0,
                   .column_end = m.hidden}};
  return spec;
}

void append_block_matrices(const ModelShapes& m, const std::string& layer,
                           std::vector<ParamSpec>& specs) {
  const int64_t q = m.attention_local();
  const int64_t kv = m.kv_heads_local() * m.head_dim;
  const int64_t f = m.ffn_local();
  const std::string attention = layer + "self_attn.";
  specs.push_back(
      column_parallel_spec(m, {row_block(m, attention + "q_proj.weight", q, m.hidden, 0),
                               row_block(m, attention + "k_proj.weight", kv, m.hidden, q),
                               row_block(m, attention + "v_proj.weight", kv, m.hidden, q + kv)}));
  specs.push_back(row_parallel_spec(m, attention + "o_proj.weight", q));
  specs.push_back(
      column_parallel_spec(m, {row_block(m, layer + "mlp.gate_proj.weight", f, m.hidden, 0),
                               row_block(m, layer + "mlp.up_proj.weight", f, m.hidden, f)}));
  specs.push_back(row_parallel_spec(m, layer + "mlp.down_proj.weight", f));
}

std::string layer_prefix(int64_t layer) {
  return fmt::format("model.layers.{}.", layer);
}

template <class T>
void fill_param(const ParamSpec& spec, const Tensor& tensor, uint64_t seed) {
  T* data = tensor.as<T>();
  for (const CanonicalPart& part : spec.parts) {
    const uint64_t stream = stream_of(part.name);
    const int64_t stride = part.shape.rank() == 2 ? part.shape[1] : 1;
    T* out = data + part.local_row * part.columns();
#pragma omp parallel for  // elements are independent
    for (int64_t row = part.row_begin; row < part.row_end; ++row) {
      T* to = out + (row - part.row_begin) * part.columns();
      for (int64_t column = part.column_begin; column < part.column_end; ++column)
        *to++ = convert<T>(
            spec.init == Init::one
                ? 1.0
                : spec.init_std *
                      philox_normal(seed, stream, static_cast<uint64_t>(row * stride + column)));
    }
  }
}

}  // namespace

std::vector<ParamSpec> param_specs(const ModelShapes& m) {
  std::vector<ParamSpec> specs;
  for (int64_t layer = m.layers.begin; layer < m.layers.end; ++layer) {
    specs.push_back(norm_spec(m, layer_prefix(layer) + "input_layernorm.weight"));
    specs.push_back(norm_spec(m, layer_prefix(layer) + "post_attention_layernorm.weight"));
  }
  if (m.has_head) specs.push_back(norm_spec(m, "model.norm.weight"));
  if (m.has_embedding) specs.push_back(vocab_spec(m, "model.embed_tokens.weight"));
  for (int64_t layer = m.layers.begin; layer < m.layers.end; ++layer)
    append_block_matrices(m, layer_prefix(layer), specs);
  if (m.has_head) specs.push_back(vocab_spec(m, "lm_head.weight"));
  return specs;
}

ParamOrder::ParamOrder(const ModelShapes& m) {
  const auto layers = static_cast<size_t>(m.layers.size());
  norms_end = 2 * layers + (m.has_head ? 1 : 0);
  embedding_end = norms_end + (m.has_embedding ? 1 : 0);
  head_begin = block_end(layers - 1);
  end = head_begin + (m.has_head ? 1 : 0);
}

LlamaParams bind_params(const ModelShapes& m, std::span<const Tensor> tensors) {
  size_t next = 0;
  const auto take = [&] { return tensors[next++]; };
  LlamaParams params;
  params.blocks.resize(static_cast<size_t>(m.layers.size()));
  for (BlockParams& block : params.blocks) {
    block.input_norm = take();
    block.post_norm = take();
  }
  if (m.has_head) params.final_norm = take();
  if (m.has_embedding) params.embedding = take();
  for (BlockParams& block : params.blocks) {
    block.qkv = take();
    block.out_proj = take();
    block.gate_up = take();
    block.down_proj = take();
  }
  if (m.has_head) params.head = take();
  SWALLOW_CHECK(next == tensors.size(), "{} tensors for {} parameters", tensors.size(), next);
  return params;
}

void init_param(const ParamSpec& spec, const Tensor& tensor, uint64_t seed) {
  visit_dtype(tensor.dtype,
              [&]<class T>(std::type_identity<T>) { fill_param<T>(spec, tensor, seed); });
}

}  // namespace swallow
