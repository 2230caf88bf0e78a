#include "plan/memory_plan.h"

#include <catch2/catch.hpp>

#include "checkpoint/snapshot.h"
#include "plan/memory_table.h"
#include "support/ranks.h"
#include "support/tiny_model.h"

using namespace swallow;

namespace {

struct Allocated {
  Ledger ledger;
  int64_t snapshot_bytes = 0;
};

/// What an engine of each rank holds, by rank.
std::vector<Allocated> allocated(const RunConfig& config, GridShape grid, int num_threads) {
  const RunShape run = resolve(config, grid.world_size());
  std::vector<Allocated> ranks(static_cast<size_t>(grid.world_size()));
  run_ranks(grid, [&](World& world) {
    Stream stream(Device{}, num_threads);
    TrainingEngine engine(config, run, stream, world);
    ranks[static_cast<size_t>(world.rank)] = {engine.ledger(),
                                              Snapshot::bytes(engine.checkpoint_tensors())};
  });
  return ranks;
}

RunConfig config_on(GridShape grid) {
  RunConfig config = tiny_config();
  config.parallel.tensor_model_parallel_size = grid.tp;
  config.parallel.pipeline_model_parallel_size = grid.pp;
  config.checkpoint.save = "somewhere";
  config.checkpoint.async_save = true;
  return config;
}

/// Every rank holds what is planned for its stage to the byte, and the table says so.
void require_planned(const RunConfig& config, GridShape grid, int num_threads = 1) {
  INFO("DP " << grid.dp << " TP " << grid.tp << " PP " << grid.pp);
  const std::vector<Allocated> ranks = allocated(config, grid, num_threads);
  const std::vector<StageLedger> stages =
      plan_stages(config, resolve(config, grid.world_size()), Device{}, num_threads);
  REQUIRE(stages.size() == static_cast<size_t>(grid.pp));
  const std::string table = memory_table(stages);
  std::vector<int64_t> most_snapshot(stages.size(), 0);
  for (int rank = 0; rank < grid.world_size(); ++rank) {
    const auto stage = static_cast<size_t>(ProcessGrid(grid).coordinate(rank).pp);
    const Allocated& real = ranks[static_cast<size_t>(rank)];
    REQUIRE(real.ledger == stages[stage].ledger);
    REQUIRE(real.ledger.total() > 0);
    REQUIRE_THAT(table, Catch::Contains(std::to_string(real.ledger.total())));
    most_snapshot[stage] = std::max(most_snapshot[stage], real.snapshot_bytes);
  }
  for (size_t stage = 0; stage < stages.size(); ++stage)
    REQUIRE(most_snapshot[stage] == stages[stage].snapshot_bytes);
}

}  // namespace

TEST_CASE("planned memory is what the engine allocates, on every rank of every stage",
          "[unit][ranks]") {
  for (const GridShape grid : {GridShape{1, 1, 1}, GridShape{2, 2, 2}, GridShape{1, 2, 4},
                               GridShape{4, 1, 2}, GridShape{2, 4, 1}})
    require_planned(config_on(grid), grid);
}

TEST_CASE("planned memory is what the engine allocates, whatever the settings", "[unit][ranks]") {
  const GridShape grid{2, 2, 2};
  RunConfig config = config_on(grid);
  config.training.params_dtype = ParamsDtype::bf16;
  SECTION("selective recompute") {
    config.training.recompute_granularity = Recompute::selective;
    require_planned(config, grid);
  }
  SECTION("full recompute") {
    config.training.recompute_granularity = Recompute::full;
    require_planned(config, grid);
  }
  SECTION("GPipe") {
    config.parallel.pipeline_schedule = PipelineSchedule::gpipe;
    require_planned(config, grid);
  }
  SECTION("sequence parallelism") {
    config.parallel.sequence_parallel = true;
    require_planned(config, grid);
  }
  SECTION("an optimizer that is not distributed") {
    config.parallel.use_distributed_optimizer = false;
    require_planned(config, grid);
  }
  SECTION("split masters") {
    config.optimizer.use_precision_aware_optimizer = true;
    require_planned(config, grid);
  }
  SECTION("two sequences in a micro-batch, two threads") {
    config.training.micro_batch_size = 2;
    require_planned(config, grid, 2);
  }
}
