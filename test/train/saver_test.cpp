// Saving in the background changes no bit, and a save that fails costs nothing but itself.
#include "train/saver.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "checkpoint/checkpoint.h"
#include "checkpoint/iteration_folder.h"
#include "checkpoint/manifest.h"
#include "train/whole_run.h"

using namespace swallow;
using namespace swallow::test;
namespace fs = std::filesystem;

namespace {

RunConfig run_config(const std::string& save) {
  RunConfig config = short_run(save);
  config.training.eval_interval = 3;
  config.checkpoint.save_interval = 2;
  return config;
}

std::vector<std::string> losses(const WholeRun& run) {
  std::vector<std::string> result;
  for (const std::string kind : {"step", "validation"})
    for (const auto& row : run.rows_of(kind)) result.push_back(row.at("loss").dump());
  return result;
}

}  // namespace

TEST_CASE("saves in the background have the bytes of others, and the run their losses",
          "[ranks][resume]") {
  const ScratchFolder scratch;
  const GridShape grid = GENERATE(GridShape{1, 1, 1}, GridShape{2, 2, 2});
  const bool split_masters = GENERATE(false, true);
  RunConfig config = run_config(scratch / "at-once");
  config.training.params_dtype = ParamsDtype::bf16;
  config.optimizer.use_precision_aware_optimizer = split_masters;
  config.parallel.use_distributed_optimizer = GENERATE(true, false);
  if (split_masters && !config.parallel.use_distributed_optimizer && grid.dp > 1) return;
  const WholeRun at_once = whole_run(config, grid);
  config.checkpoint.save = scratch / "background";
  config.checkpoint.async_save = true;
  const WholeRun background = whole_run(config, grid);
  CHECK(losses(background) == losses(at_once));
  CHECK(committed_iterations(scratch / "background") == std::vector<int64_t>{6, 4, 2});
  for (const int64_t iteration : {2, 4, 6}) {
    INFO("iteration " << iteration);
    CHECK(tensor_bytes(scratch / "background", iteration) ==
          tensor_bytes(scratch / "at-once", iteration));
    const fs::path path = fs::path(scratch / "background") / fmt::format("iter_{:07}", iteration);
    CHECK(read_manifest(path, iteration).state.consumed_train_samples == 8 * iteration);
  }
  const auto saves = background.rows_of("save");
  REQUIRE(saves.size() == 3);
  for (const auto& save : saves) CHECK(save.at("total_seconds") >= save.at("seconds"));
}

TEST_CASE("the copy that is planned for a save in the background is the one that is taken",
          "[ranks]") {
  for (const GridShape grid : {GridShape{1, 1, 1}, GridShape{2, 2, 2}})
    for (const bool sharded : {true, false}) {
      RunConfig config = tiny_config();
      config.parallel.tensor_model_parallel_size = grid.tp;
      config.parallel.pipeline_model_parallel_size = grid.pp;
      config.parallel.use_distributed_optimizer = sharded;
      const RunShape run = resolve(config, grid.world_size());
      std::vector<std::pair<int64_t, int64_t>> bytes(static_cast<size_t>(grid.world_size()));
      run_ranks(grid, [&](World& world) {
        Stream stream{Device{}};
        TrainingEngine engine(config, run, stream, world);
        bytes[static_cast<size_t>(world.rank)] = {plan_snapshot(config, run, world.at),
                                                  Snapshot::bytes(engine.checkpoint_tensors())};
      });
      for (const auto& [planned, taken] : bytes) CHECK(planned == taken);
      CHECK(bytes[0].first > 0);
    }
}

TEST_CASE("a job that resumes from a save in the background ends in the same bits",
          "[ranks][resume]") {
  const ScratchFolder scratch;
  const GridShape grid{2, 1, 2};
  RunConfig config = run_config(scratch / "straight");
  whole_run(config, grid);
  const auto want = tensor_bytes(scratch / "straight", 6);
  config.checkpoint.save = scratch / "resumed";
  config.checkpoint.async_save = true;
  config.training.exit_interval = 5;
  whole_run(config, grid);
  config.training.exit_interval = 0;
  config.checkpoint.load = config.checkpoint.save;
  config.checkpoint.ckpt_step = 4;
  whole_run(config, grid);
  CHECK(tensor_bytes(scratch / "resumed", 6) == want);
}

TEST_CASE("a rank that fails while a save runs in the background leaves no thread and no half save",
          "[ranks][resume]") {
  const ScratchFolder scratch;
  RunConfig config = run_config(scratch / "run");
  config.checkpoint.async_save = true;
  const RunShape run = resolve(config, 2);
  const auto job = [&] {
    run_ranks({2, 1, 1}, [&](World& world) {
      spdlog::logger log("test");
      Stream stream{Device{}};
      TrainingEngine engine(config, run, stream, world);
      engine.initialise();
      Saver saver({config.checkpoint, world, engine, log});
      saver.save({.iteration = 2, .dp = 2});
      if (world.rank == 1) throw DataError("this rank is lost");
      saver.save({.iteration = 4, .dp = 2});  // waits for both ranks' first
    });
  };
  CHECK_THROWS_AS(job(), DataError);
  CHECK(committed_iterations(config.checkpoint.save).empty());
}

TEST_CASE("training goes on when saves fail, up to the third in a row and the last",
          "[ranks][resume]") {
  const ScratchFolder scratch;
  std::ofstream(scratch / "file") << "no folder";
  RunConfig config = run_config(scratch / "file");
  config.checkpoint.async_save = GENERATE(false, true);
  config.checkpoint.save_interval = 1;
  config.training.eval_iters = 0;
  std::ostringstream log;
  SECTION("the last save fails the job") {
    config.training.train_iters = 2;
    CHECK_THROWS_AS(whole_run(config, {2, 1, 1}, &log), IoError);
    CHECK_THAT(log.str(), Catch::Contains("iteration 1 is not saved: rank 0: ") &&
                              Catch::Contains("training goes on"));
  }
  SECTION("so does a third failure") {
    CHECK_THROWS_WITH(whole_run(config, {2, 1, 1}, &log),
                      Catch::Contains("3 saves in a row have failed"));
    CHECK_THAT(log.str(), Catch::Contains("iteration 3 is not saved") &&
                              !Catch::Contains("iteration 4 is not saved"));
  }
}

TEST_CASE("a run deletes what --save-retain-interval and --most-recent-k do not keep",
          "[ranks][resume]") {
  const ScratchFolder scratch;
  RunConfig config = run_config(scratch / "run");
  config.training.train_iters = 10;
  config.training.eval_iters = 0;
  config.checkpoint.async_save = GENERATE(false, true);
  const bool multiples = GENERATE(false, true);
  config.checkpoint.most_recent_k = 2;
  if (multiples) config.checkpoint.save_retain_interval = 4;
  whole_run(config, {2, 1, 1});
  const auto left = committed_iterations(config.checkpoint.save);
  CHECK(left == (multiples ? std::vector<int64_t>{10, 8, 4} : std::vector<int64_t>{10, 8}));
}
