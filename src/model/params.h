// The parameters of one rank's slice: their local shapes, how each maps to the canonical (Hugging
// Face, un-fused, unpadded, whole) tensors, and the same struct of Tensors for weights and
// gradients.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/shapes.h"
#include "tensor/tensor.h"

namespace swallow {

/// A rectangle of a canonical tensor that lies in rows [local_row, ...) of a local parameter.
/// One-dimensional tensors are a single column: rows are their elements.
struct CanonicalPart {
  std::string name;  // "model.layers.0.self_attn.q_proj.weight"
  Shape shape;       // of the whole canonical tensor, [rows, columns] or [rows]
  int64_t row_begin = 0;
  int64_t row_end = 0;
  int64_t column_begin = 0;
  int64_t column_end = 1;
  int64_t local_row = 0;  // where row_begin lies in the local parameter

  [[nodiscard]] int64_t columns() const noexcept { return column_end - column_begin; }
  [[nodiscard]] int64_t numel() const noexcept { return (row_end - row_begin) * columns(); }
};

enum class Init : uint8_t { normal, one };

struct ParamSpec {
  Shape shape;                       // local
  std::vector<CanonicalPart> parts;  // in order of local rows; rows in no part are padding, zero
  bool replicated = false;           // the same on every tensor-parallel rank (norm weights)
  bool weight_decay = true;          // matrices decay, norm weights do not
  Init init = Init::normal;
  double init_std = 0;
};

struct BlockParams {
  Tensor input_norm;  // [h]
  Tensor qkv;         // [(n + 2k) d / t, h]: query rows, key rows, value rows
  Tensor out_proj;    // [h, n d / t]
  Tensor post_norm;   // [h]
  Tensor gate_up;     // [2 f/t, h]: gate rows, up rows
  Tensor down_proj;   // [h, f/t]
};

/// Weights (activation type) or gradients (main type).
struct LlamaParams {
  Tensor embedding;  // [v/t, h], first stage
  std::vector<BlockParams> blocks;
  Tensor final_norm;  // [h], last stage
  Tensor head;        // [v/t, h], last stage
};

/// This rank's parameters in the order in which bind_params() consumes tensors: replicated norm
/// weights first, so that sequence parallelism can sum their gradients in one call.
std::vector<ParamSpec> param_specs(const ModelShapes& shapes);

/// Where parameters stand in the order of param_specs(): the order in which a forward pass reads
/// them, norm weights first. Each is the index behind the last one concerned.
struct ParamOrder {
  explicit ParamOrder(const ModelShapes& shapes);

  size_t norms_end = 0;
  size_t embedding_end = 0;  // = norms_end without an embedding
  size_t head_begin = 0;     // = end without a head
  size_t end = 0;
  [[nodiscard]] size_t block_begin(size_t block) const { return embedding_end + 4 * block; }
  [[nodiscard]] size_t block_end(size_t block) const { return block_begin(block + 1); }
};

/// Told by a stage how it uses its parameters, so that their communication can hide behind
/// computation. Indices are those of param_specs().
class ParamObserver {
 public:
  virtual ~ParamObserver() = default;
  /// Work that is launched next reads parameters before `end`.
  virtual void before_reading(size_t end) = 0;
  /// The gradients of parameters from `begin` on are complete when the work launched so far is
  /// done.
  virtual void gradients_complete(size_t begin) = 0;
};

/// Names one tensor per spec, in the same order.
LlamaParams bind_params(const ModelShapes& shapes, std::span<const Tensor> tensors);

/// Fills a parameter from the counter-based generator: a function of seed, canonical name and
/// canonical element only, so every grid starts from the same model. Host memory.
void init_param(const ParamSpec& spec, const Tensor& tensor, uint64_t seed);

}  // namespace swallow
