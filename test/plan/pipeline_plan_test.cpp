#include "plan/pipeline_plan.h"

#include <catch2/catch.hpp>
#include <numeric>

#include "config/preset.h"
#include "model/shapes.h"
#include "plan/memory_plan.h"
#include "telemetry/flops.h"

using namespace swallow;

namespace {

RunConfig paper(const std::string& preset) {
  RunConfig config;
  apply_preset(preset, config);
  config.data.mock_data = true;
  return config;
}

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

}  // namespace

TEST_CASE("the FLOPs of all stages are those of the model with its padded vocabulary", "[unit]") {
  for (const char* preset : {"7b", "13b", "70b"}) {
    INFO(preset);
    const RunConfig config = paper(preset);
    const ModelConfig& m = config.model;
    const int ranks = static_cast<int>(config.parallel.tensor_model_parallel_size *
                                       config.parallel.pipeline_model_parallel_size);
    const RunShape run = resolve(config, ranks);
    const SimulationCosts costs = flop_costs(config, run);
    const double whole =
        flops_per_token(FlopFormula::causal, {.num_layers = m.num_layers,
                                              .hidden_size = m.hidden_size,
                                              .ffn_hidden_size = m.ffn_hidden_size,
                                              .num_attention_heads = m.num_attention_heads,
                                              .kv_heads = run.kv_heads,
                                              .head_dim = run.head_dim,
                                              .vocab_size = run.padded_vocab_size,
                                              .seq_length = m.seq_length}) *
        static_cast<double>(m.seq_length * config.training.micro_batch_size);
    CHECK((sum(costs.forward) + sum(costs.backward)) * run.tp == Approx(whole).epsilon(1e-12));
  }
}

TEST_CASE("a layer's backward is two forwards, and three when its forward is run again", "[unit]") {
  RunConfig config = paper("70b");
  const RunShape run = resolve(config, 64);
  SimulationCosts costs = flop_costs(config, run);
  CHECK(costs.backward[3] == Approx(2 * costs.forward[3]));
  CHECK(costs.backward.back() > 2 * costs.forward.back());  // the head's whole work
  config.training.recompute_granularity = Recompute::full;
  CHECK(flop_costs(config, run).backward[3] == Approx(3 * costs.forward[3]));
}

TEST_CASE("the schedules of the paper's grids are sound and hold what memory is planned for",
          "[unit]") {
  for (const char* preset : {"7b", "13b", "70b"})
    for (const auto schedule : {PipelineSchedule::one_f_one_b, PipelineSchedule::gpipe}) {
      RunConfig config = paper(preset);
      config.parallel.pipeline_schedule = schedule;
      const ParallelConfig& p = config.parallel;
      const RunShape run = resolve(
          config, static_cast<int>(p.paper_data_parallel_size * p.tensor_model_parallel_size *
                                   p.pipeline_model_parallel_size));
      const SimulationResult result =
          simulate(plan_schedules(config, run), flop_costs(config, run));
      REQUIRE(result.error.empty());
      for (int stage = 0; stage < run.pp; ++stage)
        CHECK(result.peak_in_flight[static_cast<size_t>(stage)] ==
              plan_engine(config, run, {.pp = stage}).schedule.num_slots);
    }
}
