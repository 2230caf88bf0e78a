// A grid must not change what is learned. Pipeline stages, schedules, recompute modes and the
// sharding of the optimizer change no bit. Data and tensor parallelism change the order in which
// floating-point sums are taken, so they agree within a bound.
#include <catch2/catch.hpp>
#include <cmath>

#include "support/tiny_model.h"

using namespace swallow;

namespace {

constexpr int kSteps = 4;

std::string name_of(GridShape grid) {
  return fmt::format("dp {} tp {} pp {}", grid.dp, grid.tp, grid.pp);
}

}  // namespace

TEST_CASE("the tiny model learns, and clipping is at work", "[ranks]") {
  const TinyRun run = run_tiny(tiny_config(), {1, 1, 1}, 8);
  REQUIRE(run.steps.front().loss == Approx(std::log(61.0)).margin(0.1));
  REQUIRE(run.steps.front().lr == 0);  // warm-up starts from zero
  for (const StepResult& step : run.steps) REQUIRE(step.updated);
  REQUIRE(run.steps.front().grad_norm > 0.5);
}

TEST_CASE("two runs give the same bits", "[ranks]") {
  RunConfig config = tiny_config();
  config.parallel.sequence_parallel = true;
  require_same_bits(run_tiny(config, {2, 2, 2}, kSteps), run_tiny(config, {2, 2, 2}, kSteps));
}

TEST_CASE("pipeline stages change no bit", "[ranks]") {
  const RunConfig config = tiny_config();
  for (const GridShape outer : {GridShape{1, 1, 1}, GridShape{2, 1, 1}, GridShape{1, 2, 1}}) {
    const TinyRun want = run_tiny(config, outer, kSteps);
    for (const int pp : {2, 3, 4}) {
      const GridShape grid{outer.dp, outer.tp, pp};
      INFO(name_of(grid));
      require_same_bits(run_tiny(config, grid, kSteps), want);
    }
  }
}

TEST_CASE("schedule and recompute mode change no bit", "[ranks]") {
  for (const ParamsDtype dtype : {ParamsDtype::fp32, ParamsDtype::bf16}) {
    RunConfig config = tiny_config();
    config.training.params_dtype = dtype;
    config.parallel.sequence_parallel = true;
    const GridShape grid{1, 2, 2};
    const TinyRun want = run_tiny(config, grid, kSteps);
    for (const auto schedule : {PipelineSchedule::one_f_one_b, PipelineSchedule::gpipe})
      for (const auto recompute : {Recompute::none, Recompute::selective, Recompute::full}) {
        config.parallel.pipeline_schedule = schedule;
        config.training.recompute_granularity = recompute;
        INFO("schedule " << static_cast<int>(schedule) << " recompute "
                         << static_cast<int>(recompute));
        require_same_bits(run_tiny(config, grid, kSteps), want);
      }
  }
}

TEST_CASE("sharding the optimizer changes no bit", "[ranks]") {
  for (const GridShape grid : {GridShape{2, 1, 1}, GridShape{4, 1, 2}, GridShape{2, 2, 1}}) {
    INFO(name_of(grid));
    RunConfig config = tiny_config();
    const TinyRun sharded = run_tiny(config, grid, kSteps);
    config.parallel.use_distributed_optimizer = false;
    require_same_bits(run_tiny(config, grid, kSteps), sharded);
  }
}

TEST_CASE("bucket size changes no bit", "[ranks]") {
  RunConfig config = tiny_config();
  const TinyRun want = run_tiny(config, {2, 1, 1}, kSteps);
  for (const int64_t size : {1, 5'000, 100'000}) {
    config.parallel.ddp_bucket_size = size;
    require_same_bits(run_tiny(config, {2, 1, 1}, kSteps), want);
  }
}

TEST_CASE("every small grid gives the losses of one rank within the bound", "[ranks]") {
  RunConfig config = tiny_config();
  const TinyRun want = run_tiny(config, {1, 1, 1}, kSteps);
  std::vector<GridShape> grids;
  for (const int dp : {1, 2})
    for (const int tp : {1, 2})
      for (const int pp : {1, 2}) grids.push_back({dp, tp, pp});
  for (const GridShape grid : {GridShape{4, 1, 1}, GridShape{1, 4, 1}, GridShape{2, 4, 1},
                               GridShape{1, 4, 2}, GridShape{4, 2, 1}})
    grids.push_back(grid);
  for (const bool sequence_parallel : {false, true}) {
    config.parallel.sequence_parallel = sequence_parallel;
    for (const GridShape grid : grids) {
      if (sequence_parallel && grid.tp == 1) continue;
      INFO(name_of(grid) << " sequence parallel " << sequence_parallel);
      require_close_losses(run_tiny(config, grid, kSteps), want, 2e-5);
    }
  }
}

TEST_CASE("bf16 grids agree within the rounding of bf16", "[ranks]") {
  RunConfig config = tiny_config();
  config.training.params_dtype = ParamsDtype::bf16;
  config.parallel.sequence_parallel = true;
  const TinyRun want = run_tiny(config, {1, 1, 1}, kSteps);
  for (const GridShape grid : {GridShape{2, 2, 2}, GridShape{1, 4, 1}, GridShape{4, 1, 1}}) {
    INFO(name_of(grid));
    require_close_losses(run_tiny(config, grid, kSteps), want, 2e-2);
  }
}

TEST_CASE("micro-batch size changes the order of sums only", "[ranks]") {
  RunConfig config = tiny_config();
  const TinyRun want = run_tiny(config, {1, 1, 1}, kSteps);
  config.training.micro_batch_size = 2;
  require_close_losses(run_tiny(config, {2, 1, 2}, kSteps), want, 2e-5);
}
