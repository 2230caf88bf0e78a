// The sizes of one rank's slice of a Llama, derived once. The letters used in shape comments all
// over the project:
//   s sequence   b micro-batch   h hidden   n query heads   k key/value heads   d head dim
//   f FFN width  v padded vocabulary        t, p, r tensor-, pipeline- and data-parallel degrees
// [s/t, b, h] means: split along the sequence under sequence parallelism, whole without it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/dtype.h"
#include "config/run_config.h"
#include "config/run_shape.h"
#include "kernels/attention.h"
#include "launch/process_grid.h"

namespace swallow {

/// Layers [begin, end) of the model.
struct LayerRange {
  int64_t begin = 0;
  int64_t end = 0;
  [[nodiscard]] int64_t size() const noexcept { return end - begin; }
  friend bool operator==(const LayerRange&, const LayerRange&) = default;
};

struct ModelShapes {
  int64_t sequence = 0;        // s
  int64_t sequence_local = 0;  // s/t under sequence parallelism, else s
  int64_t batch = 0;           // b
  int64_t hidden = 0;          // h
  int64_t heads = 0;           // n
  int64_t kv_heads = 0;        // k
  int64_t head_dim = 0;        // d
  int64_t ffn = 0;             // f
  int64_t vocab = 0;           // without padding
  int64_t vocab_local = 0;     // v/t
  int64_t head_rows = 0;       // tokens whose logits exist at a time, at most s * b
  int64_t num_layers = 0;      // of the whole model
  LayerRange layers;           // of this pipeline stage
  bool has_embedding = false;  // first stage
  bool has_head = false;       // last stage
  int tp = 1;
  int tp_rank = 0;
  bool sequence_parallel = false;
  DType dtype = DType::bf16;      // parameters and activations
  DType main_dtype = DType::f32;  // gradients, master weights, moments, statistics
  Recompute recompute = Recompute::none;
  Determinism determinism = Determinism::relaxed;
  double norm_epsilon = 1e-5;
  double rotary_base = 10000.0;
  double init_std = 0.02;

  [[nodiscard]] int64_t heads_local() const noexcept { return heads / tp; }
  [[nodiscard]] int64_t kv_heads_local() const noexcept { return kv_heads / tp; }
  [[nodiscard]] int64_t qkv_local() const noexcept {
    return (heads_local() + 2 * kv_heads_local()) * head_dim;
  }
  [[nodiscard]] int64_t attention_local() const noexcept { return heads_local() * head_dim; }
  [[nodiscard]] int64_t ffn_local() const noexcept { return ffn / tp; }
  [[nodiscard]] int64_t vocab_start() const noexcept { return vocab_local * tp_rank; }
  /// Columns of this rank that are real tokens, 0 .. v/t.
  [[nodiscard]] int64_t vocab_valid() const noexcept;
};

/// Splits layers over `stages` so that the slowest stage is as fast as possible, counting the
/// output head as `head_cost` layers on the last stage. Among equals the stage with fewest
/// parameters takes the next layer, the embedding being worth `head_cost` too; then the latest,
/// which holds the fewest activations in flight. Every stage gets at least one layer.
std::vector<LayerRange> split_layers(int64_t num_layers, int64_t stages, double head_cost);

ModelShapes make_shapes(const RunConfig& config, const RunShape& run, GridCoordinate at);

}  // namespace swallow
