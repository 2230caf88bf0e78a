// Whole models on a GPU: against the CPU, on grids of ranks that share the GPU, and against
// themselves. In fp32, where both backends compute the same sums in other orders.
#include <catch2/catch.hpp>
#include <cmath>

#include "support/run_on.h"
#include "support/tiny_model.h"

using namespace swallow;
using namespace swallow::test;

namespace {

constexpr int kSteps = 4;

/// As between grids on the CPU: other orders of fp32 sums, and Adam's division by the gradient's
/// own size (see require_close_losses).
constexpr double kLossBound = 2e-5;

}  // namespace

TEST_CASE("a GPU has the gradients and losses of the CPU", "[cuda][model]") {
  const auto gpu = find_gpu("a tiny model");
  if (!gpu) return;
  for (const Recompute recompute : {Recompute::none, Recompute::selective, Recompute::full}) {
    RunConfig config = tiny_config();
    config.training.recompute_granularity = recompute;
    INFO("recompute " << static_cast<int>(recompute));
    // One step from the same weights: the gradients differ by rounding alone.
    const TinyRun cpu = run_tiny(config, {1, 1, 1}, 1);
    const TinyRun first = run_tiny(config, {1, 1, 1}, 1, *gpu);
    CHECK(worst_difference(first.gradients, cpu.gradients) < 1e-5);
    require_close_losses(run_tiny(config, {1, 1, 1}, kSteps, *gpu),
                         run_tiny(config, {1, 1, 1}, kSteps), kLossBound);
  }
}

TEST_CASE("ranks that share a GPU have the losses of one rank", "[cuda][model]") {
  const auto gpu = find_gpu("grids on one GPU");
  if (!gpu) return;
  RunConfig config = tiny_config();
  config.parallel.ddp_bucket_size = 10'000;  // several buckets
  const TinyRun want = run_tiny(config, {1, 1, 1}, kSteps, *gpu);
  for (const bool sequence_parallel : {false, true})
    for (const GridShape grid : {GridShape{2, 1, 1}, GridShape{1, 2, 1}, GridShape{1, 1, 2},
                                 GridShape{1, 1, 4}, GridShape{2, 2, 2}}) {
      config.parallel.sequence_parallel = sequence_parallel;
      INFO("dp " << grid.dp << " tp " << grid.tp << " pp " << grid.pp << " sequence parallel "
                 << sequence_parallel);
      const TinyRun got = run_tiny(config, grid, kSteps, *gpu);
      if (grid.dp == 1 && grid.tp == 1)
        require_same_bits(got, want);
      else
        require_close_losses(got, want, kLossBound);
    }
}

TEST_CASE("sharding, schedule and recompute change no bit on a GPU", "[cuda][model]") {
  const auto gpu = find_gpu("equivalences on one GPU");
  if (!gpu) return;
  RunConfig config = tiny_config();
  config.parallel.sequence_parallel = true;
  config.parallel.ddp_bucket_size = 10'000;
  const GridShape grid{2, 2, 2};
  const TinyRun want = run_tiny(config, grid, kSteps, *gpu);
  require_same_bits(run_tiny(config, grid, kSteps, *gpu), want);  // the same run again
  config.parallel.use_distributed_optimizer = false;
  require_same_bits(run_tiny(config, grid, kSteps, *gpu), want);
  config.parallel.pipeline_schedule = PipelineSchedule::gpipe;
  require_same_bits(run_tiny(config, grid, kSteps, *gpu), want);
  config.training.recompute_granularity = Recompute::selective;
  require_same_bits(run_tiny(config, grid, kSteps, *gpu), want);
}
