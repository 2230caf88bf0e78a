#include "model/shapes.h"

#include <algorithm>
#include <tuple>

#include "base/math.h"

namespace swallow {

namespace {

DType dtype_of(ParamsDtype params_dtype) {
  switch (params_dtype) {
    case ParamsDtype::bf16:
      return DType::bf16;
    case ParamsDtype::fp32:
      return DType::f32;
    case ParamsDtype::fp64:
      return DType::f64;
  }
  throw ContractError("unknown params dtype");
}

/// FLOPs of the output head in units of one layer's, at sequence length s (causal attention).
double head_cost_in_layers(const ModelConfig& model, const RunShape& run) {
  const auto h = static_cast<double>(model.hidden_size);
  const auto attention = static_cast<double>(model.num_attention_heads * run.head_dim);
  const auto kv = static_cast<double>(run.kv_heads * run.head_dim);
  const auto f = static_cast<double>(model.ffn_hidden_size);
  const double linear = h * (attention + 2 * kv) + attention * h + 3 * h * f;
  const double scores =
      attention * static_cast<double>(model.seq_length);  // 2 matmuls, half masked
  return h * static_cast<double>(run.padded_vocab_size) / (linear + scores);
}

}  // namespace

int64_t ModelShapes::vocab_valid() const noexcept {
  return std::clamp<int64_t>(vocab - vocab_start(), 0, vocab_local);
}

std::vector<LayerRange> split_layers(int64_t num_layers, int64_t stages, double head_cost) {
  SWALLOW_CHECK(stages >= 1 && num_layers >= stages, "{} layers for {} stages", num_layers, stages);
  std::vector<int64_t> count(static_cast<size_t>(stages), 1);
  const auto load = [&](int64_t stage) {
    const auto layers = static_cast<double>(count[static_cast<size_t>(stage)]);
    const double time = layers + (stage == stages - 1 ? head_cost : 0);
    const double parameters = time + (stage == 0 ? head_cost : 0);
    return std::tuple(time, parameters, -stage);
  };
  for (int64_t placed = stages; placed < num_layers; ++placed) {
    int64_t lightest = 0;
    for (int64_t stage = 1; stage < stages; ++stage)
      if (load(stage) < load(lightest)) lightest = stage;
    ++count[static_cast<size_t>(lightest)];
  }
  std::vector<LayerRange> ranges;
  int64_t begin = 0;
  for (const int64_t layers : count) {
    ranges.push_back({begin, begin + layers});
    begin += layers;
  }
  return ranges;
}

namespace {

/// Logits of at most this size: small beside the rest of a micro-batch, and still so many tokens
/// that a GPU's product runs at full rate and the weight gradient is not added to much more often.
constexpr int64_t kLogitsBytes = int64_t{256} << 20;

/// Equal chunks of whole multiples of 128 tokens, or all tokens.
int64_t head_rows(int64_t tokens, int64_t row_bytes) {
  const int64_t chunks = ceil_div(tokens * row_bytes, kLogitsBytes);
  return std::min(tokens, round_up(ceil_div(tokens, chunks), 128));
}

}  // namespace

ModelShapes make_shapes(const RunConfig& config, const RunShape& run, GridCoordinate at) {
  const ModelConfig& model = config.model;
  ModelShapes shapes;
  shapes.sequence = model.seq_length;
  shapes.tp = run.tp;
  shapes.tp_rank = at.tp;
  shapes.sequence_parallel = config.parallel.sequence_parallel && run.tp > 1;
  shapes.sequence_local =
      shapes.sequence_parallel ? exact_div(model.seq_length, run.tp) : model.seq_length;
  shapes.batch = config.training.micro_batch_size;
  shapes.hidden = model.hidden_size;
  shapes.heads = model.num_attention_heads;
  shapes.kv_heads = run.kv_heads;
  shapes.head_dim = run.head_dim;
  shapes.ffn = model.ffn_hidden_size;
  shapes.vocab = model.vocab_size;
  shapes.vocab_local = exact_div(run.padded_vocab_size, run.tp);
  shapes.num_layers = model.num_layers;
  shapes.layers = split_layers(model.num_layers, run.pp,
                               head_cost_in_layers(model, run))[static_cast<size_t>(at.pp)];
  shapes.has_embedding = at.pp == 0;
  shapes.has_head = at.pp == run.pp - 1;
  shapes.dtype = dtype_of(config.training.params_dtype);
  shapes.head_rows =
      head_rows(shapes.sequence * shapes.batch, shapes.vocab_local * size_of(shapes.dtype));
  shapes.main_dtype = accumulate_dtype(shapes.dtype);
  shapes.recompute = config.training.recompute_granularity;
  shapes.determinism =
      config.training.deterministic_mode ? Determinism::deterministic : Determinism::relaxed;
  shapes.norm_epsilon = model.norm_epsilon;
  shapes.rotary_base = model.rotary_base;
  shapes.init_std = model.init_method_std;
  return shapes;
}

}  // namespace swallow
