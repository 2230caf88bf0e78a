// How a training program uses the hardware, as far as its step time depends on it. Two numbers of a
// profile, gemm_efficiency and host_us_per_layer, are fitted to published runs, one pair for a
// program and never for a run; all others follow from what the program does.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/simulator.h"

namespace swallow {

enum class AttentionKernel : uint8_t {
  fused,   // flash attention: no scores in memory, masked-out blocks skipped
  scores,  // two products with softmax and dropout between them, all scores computed
};

/// What a recompute mode computes again in the backward pass.
enum class RecomputeStyle : uint8_t {
  /// selective: norms and SwiGLU. full: the layer without its last product and collective.
  swallow,
  /// selective: the core of attention, which the fused kernel never keeps. full: the layer.
  megatron,
};

/// Bytes that passes over memory move, with two bytes to an element: reads and writes of what is in
/// no cache.
struct PassBytes {
  double norm_forward = 0;         // a token and hidden element: both norms, residuals, dropout
  double norm_backward = 0;        // likewise
  double rope_forward = 0;         // a token and element of queries and keys
  double rope_backward = 0;        // likewise
  double activation_forward = 0;   // a token and FFN element
  double activation_backward = 0;  // likewise
  double scores_forward = 0;       // a score; AttentionKernel::scores only
  double scores_backward = 0;      // likewise
  double logits = 0;               // a logit, forward and backward
  double weight_gradient = 0;      // a weight and micro-batch, beside the product itself
  double optimizer = 0;            // a parameter whose state the rank holds
  double gradient_norm = 0;        // likewise
  double gradients = 0;            // a parameter of the rank, once a step
};

struct SoftwareProfile {
  std::string_view name;
  std::string_view description;
  bool fitted = true;            // or: assumed, or another program's factors
  double gemm_efficiency = 1;    // of the hardware's; fitted
  double host_us_per_layer = 0;  // a layer's forward; its backward twice that; fitted
  AttentionKernel attention = AttentionKernel::fused;
  double attention_efficiency = 1;  // of the hardware's fused kernels
  RecomputeStyle recompute = RecomputeStyle::swallow;
  PassBytes bytes;
  /// In the backward pass the collective of a gradient of an input hides behind the product for
  /// the weight's, and the repeated gather of an input behind the other product.
  bool hides_tp_backward = false;
  double tp_overlap = 0;  // share hidden of the other tensor-parallel traffic
  /// Without sequence parallelism each TP rank sends its share of an activation to the next stage,
  /// where the shares are gathered.
  bool scatters_transfers = false;
  double pp_overlap = 0;  // share hidden of the pipeline's transfers, whatever the schedule
  Sending sending = Sending::blocking;
  double gradient_bytes = 4;       // of an element on its way through the DP group
  bool overlaps_gradients = true;  // reduced behind the last backward pass
  bool overlaps_params = true;     // gathered behind the first forward pass
};

/// Throws ConfigError for a name that is not in the table.
const SoftwareProfile& software_profile(std::string_view name);

const std::vector<SoftwareProfile>& software_profiles();

}  // namespace swallow
