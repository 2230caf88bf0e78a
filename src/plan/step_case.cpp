#include "plan/step_case.h"

#include "base/check.h"
#include "model/shapes.h"

namespace swallow {

ModelSize model_size(const ModelConfig& m, const RunShape& run) {
  return {.num_layers = m.num_layers,
          .hidden_size = m.hidden_size,
          .ffn_hidden_size = m.ffn_hidden_size,
          .num_attention_heads = m.num_attention_heads,
          .kv_heads = run.kv_heads,
          .head_dim = run.head_dim,
          .vocab_size = m.vocab_size,
          .seq_length = m.seq_length};
}

StepCase step_case(const RunConfig& config, const RunShape& run) {
  StepCase c;
  c.size = model_size(config.model, run);
  c.padded_vocab_size = run.padded_vocab_size;
  c.tp = run.tp;
  c.pp = run.pp;
  c.dp = run.dp;
  c.sequence_parallel = config.parallel.sequence_parallel && run.tp > 1;
  c.sharded_optimizer = config.parallel.use_distributed_optimizer;
  c.micro_batch_size = config.training.micro_batch_size;
  c.num_microbatches = run.num_microbatches;
  c.recompute = config.training.recompute_granularity;
  c.schedule = config.parallel.pipeline_schedule;
  c.bucket_elements = config.parallel.ddp_bucket_size;
  for (int stage = 0; stage < run.pp; ++stage) {
    const ModelShapes shapes = make_shapes(config, run, {.pp = stage});
    c.layers_of_stage.push_back(shapes.layers.size());
    c.element_bytes = static_cast<double>(size_of(shapes.dtype));
  }
  return c;
}

}  // namespace swallow
