// A training step as the model sees it: the sizes of the Transformer, how it is cut over the ranks,
// and what goes through it. Of a RunConfig, or of a published run that this program could not do.
#pragma once

#include <cstdint>
#include <vector>

#include "config/run_config.h"
#include "config/run_shape.h"
#include "telemetry/flops.h"

namespace swallow {

enum class FeedForward : uint8_t {
  gated,  // three matrices: SwiGLU
  plain,  // two matrices: GELU, squared ReLU
};

struct StepCase {
  ModelSize size;  // vocab_size without padding
  int64_t padded_vocab_size = 0;
  FeedForward feed_forward = FeedForward::gated;
  double element_bytes = 2;  // of parameters and activations
  int64_t tp = 1;
  int64_t pp = 1;
  int64_t dp = 1;
  int64_t interleave = 1;  // virtual stages of a rank; above 1 published runs only
  bool sequence_parallel = false;
  bool sharded_optimizer = true;
  int64_t micro_batch_size = 1;
  int64_t num_microbatches = 1;
  Recompute recompute = Recompute::none;
  PipelineSchedule schedule = PipelineSchedule::one_f_one_b;
  std::vector<int64_t> layers_of_stage;  // pp numbers
  int64_t bucket_elements = 40'000'000;

  [[nodiscard]] int64_t world_size() const noexcept { return tp * pp * dp; }
  [[nodiscard]] int64_t tokens_per_microbatch() const noexcept {
    return micro_batch_size * size.seq_length;
  }
  [[nodiscard]] int64_t tokens_per_step() const noexcept {
    return tokens_per_microbatch() * num_microbatches * dp;
  }
};

/// The sizes by which FLOPs are counted.
ModelSize model_size(const ModelConfig& model, const RunShape& run);

StepCase step_case(const RunConfig& config, const RunShape& run);

}  // namespace swallow
