#include "plan/pipeline_plan.h"

#include "model/shapes.h"
#include "plan/memory_plan.h"
#include "telemetry/flops.h"

namespace swallow {

namespace {

/// Of the layers of a stage and, where it has one, its head.
ModelSize stage_size(const ModelShapes& m, bool with_head) {
  return {.num_layers = m.layers.size(),
          .hidden_size = m.hidden,
          .ffn_hidden_size = m.ffn,
          .num_attention_heads = m.heads,
          .kv_heads = m.kv_heads,
          .head_dim = m.head_dim,
          .vocab_size = with_head ? m.vocab_local * m.tp : 0,
          .seq_length = m.sequence};
}

/// A forward is a third of what the formula counts, a backward two thirds.
double forward_flops(const ModelShapes& m, bool with_head) {
  const auto tokens = static_cast<double>(m.sequence * m.batch);
  return flops_per_token(FlopFormula::causal, stage_size(m, with_head)) * tokens / 3.0 / m.tp;
}

}  // namespace

std::vector<Schedule> plan_schedules(const RunConfig& config, const RunShape& run) {
  std::vector<Schedule> schedules;
  for (int stage = 0; stage < run.pp; ++stage)
    schedules.push_back(plan_schedule(config, run, stage));
  return schedules;
}

SimulationCosts flop_costs(const RunConfig& config, const RunShape& run) {
  SimulationCosts costs;
  for (int stage = 0; stage < run.pp; ++stage) {
    const ModelShapes m = make_shapes(config, run, {.pp = stage});
    const double layers = forward_flops(m, false);
    const double head = forward_flops(m, m.has_head) - layers;
    // The head's forward runs at the beginning of the backward, just before its gradient; under
    // full recompute each layer's forward runs there once more.
    const double again = m.recompute == Recompute::full ? layers : 0.0;
    costs.forward.push_back(layers);
    costs.backward.push_back(2.0 * layers + again + 3.0 * head);
  }
  return costs;
}

}  // namespace swallow
