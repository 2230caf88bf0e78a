// Whole runs: stopping and resuming must not show in a single bit of the final checkpoint.
#include "train/trainer.h"

#include <spdlog/logger.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "support/ranks.h"
#include "support/run_on.h"
#include "support/scratch_folder.h"
#include "support/tiny_model.h"

using namespace swallow;
namespace fs = std::filesystem;

namespace {

RunConfig run_config(const std::string& save) {
  RunConfig config = short_run(save);
  config.training.eval_interval = 4;
  return config;
}

/// Trains on threads as far as the configuration says; the same exit code on every rank.
ExitCode train(RunConfig config, GridShape grid, Device device = {}) {
  config.parallel.tensor_model_parallel_size = grid.tp;
  config.parallel.pipeline_model_parallel_size = grid.pp;
  config.parallel.sequence_parallel = grid.tp > 1;
  const RunShape run = resolve(config, grid.world_size());
  std::vector<ExitCode> codes(static_cast<size_t>(grid.world_size()));
  run_ranks(grid, device, [&](World& world) {
    spdlog::logger log("test");
    const StartPoint start = find_start(config, *world.control, log);
    const Datasets datasets = open_datasets(data_options(config, start));
    Stream stream{device};
    StopSignals signals;
    Trainer trainer({config, run, world, stream, datasets, start, signals, log});
    codes[static_cast<size_t>(world.rank)] = trainer.train();
  });
  for (const ExitCode code : codes) REQUIRE(code == codes[0]);
  return codes[0];
}

/// Contents of every tensor file of an iteration.
std::map<std::string, std::string> tensor_files(const std::string& folder, int64_t iteration) {
  std::map<std::string, std::string> files;
  for (const auto& entry :
       fs::directory_iterator(fs::path(folder) / fmt::format("iter_{:07}", iteration))) {
    if (entry.path().extension() != ".safetensors") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    files[entry.path().filename()] = bytes.str();
  }
  return files;
}

}  // namespace

TEST_CASE("stopping after any step and resuming changes no bit", "[ranks]") {
  for (const GridShape grid : {GridShape{1, 1, 1}, GridShape{2, 2, 2}}) {
    const test::ScratchFolder scratch;
    REQUIRE(train(run_config(scratch / "straight"), grid) == ExitCode::ok);
    const auto want = tensor_files(scratch / "straight", 6);
    REQUIRE(want.size() == static_cast<size_t>(grid.world_size()));
    for (int64_t stop = 1; stop < 6; ++stop) {
      INFO("stopped after step " << stop);
      RunConfig config = run_config(scratch / "resumed");
      config.training.exit_interval = stop;
      fs::remove_all(config.checkpoint.save);
      REQUIRE(train(config, grid) == ExitCode::ok);
      REQUIRE(tensor_files(config.checkpoint.save, stop) != want);
      config.training.exit_interval = 0;
      config.checkpoint.load = config.checkpoint.save;
      REQUIRE(train(config, grid) == ExitCode::ok);
      REQUIRE(tensor_files(config.checkpoint.save, 6) == want);
    }
  }
}

TEST_CASE("bf16 runs resume bit for bit too", "[ranks]") {
  const bool split_masters = GENERATE(false, true);
  INFO("precision-aware optimizer " << split_masters);
  const test::ScratchFolder scratch;
  RunConfig config = run_config(scratch / "straight");
  config.training.params_dtype = ParamsDtype::bf16;
  config.optimizer.use_precision_aware_optimizer = split_masters;
  train(config, {2, 1, 2});
  const auto want = tensor_files(config.checkpoint.save, 6);
  config.checkpoint.save = scratch / "resumed";
  config.training.exit_interval = 3;
  train(config, {2, 1, 2});
  config.training.exit_interval = 0;
  config.checkpoint.load = config.checkpoint.save;
  train(config, {2, 1, 2});
  REQUIRE(tensor_files(config.checkpoint.save, 6) == want);
}

TEST_CASE("a run on a GPU resumes bit for bit, there and on another grid", "[cuda][model]") {
  const auto gpu = test::find_gpu("resuming on a GPU");
  if (!gpu) return;
  const bool split_masters = GENERATE(false, true);
  INFO("precision-aware optimizer " << split_masters);
  const test::ScratchFolder scratch;
  RunConfig config = run_config(scratch / "straight");
  config.training.params_dtype = split_masters ? ParamsDtype::bf16 : ParamsDtype::fp32;
  config.training.deterministic_mode = true;
  config.optimizer.use_precision_aware_optimizer = split_masters;
  train(config, {2, 1, 2}, *gpu);
  const auto want = tensor_files(config.checkpoint.save, 6);
  config.checkpoint.save = scratch / "resumed";
  config.training.exit_interval = 3;
  train(config, {2, 1, 2}, *gpu);
  config.training.exit_interval = 0;
  config.checkpoint.load = config.checkpoint.save;
  train(config, {2, 1, 2}, *gpu);
  REQUIRE(tensor_files(config.checkpoint.save, 6) == want);
  // The CPU goes on from there: what is on the disk knows nothing of devices.
  config.checkpoint.save = scratch / "cpu";
  config.training.train_iters = 7;
  config.optimizer.lr_decay_iters = 6;
  REQUIRE(train(config, {1, 2, 1}) == ExitCode::ok);
}

TEST_CASE("a run may split its masters, or join them, when it resumes on another grid", "[ranks]") {
  const bool split_first = GENERATE(false, true);
  const test::ScratchFolder scratch;
  RunConfig config = run_config(scratch / "run");
  config.training.params_dtype = ParamsDtype::bf16;
  config.optimizer.use_precision_aware_optimizer = split_first;
  config.training.exit_interval = 3;
  REQUIRE(train(config, {2, 1, 2}) == ExitCode::ok);
  config.training.exit_interval = 0;
  config.checkpoint.load = config.checkpoint.save;
  config.optimizer.use_precision_aware_optimizer = !split_first;
  REQUIRE(train(config, {2, 2, 1}) == ExitCode::ok);
  REQUIRE(find_checkpoint(config.checkpoint.save) == 6);
}

TEST_CASE("a run does not continue a checkpoint of another run", "[ranks]") {
  const test::ScratchFolder scratch;
  RunConfig config = run_config(scratch / "run");
  config.training.train_iters = 1;
  train(config, {1, 1, 1});
  config.checkpoint.load = config.checkpoint.save;
  SECTION("another seed draws other samples") {
    config.training.seed = 99;
    REQUIRE_THROWS_WITH(train(config, {1, 1, 1}), Catch::Contains("seed: saved 1234, now 99"));
  }
  SECTION("another width is another model") {
    config.model.hidden_size = 32;
    REQUIRE_THROWS_WITH(train(config, {1, 1, 1}), Catch::Contains("hidden_size"));
  }
  SECTION("an empty folder is an error unless asked for") {
    config.checkpoint.load = scratch / "empty";
    REQUIRE_THROWS_AS(train(config, {1, 1, 1}), CheckpointError);
    config.checkpoint.load_or_init = true;
    REQUIRE(train(config, {1, 1, 1}) == ExitCode::ok);
  }
}

TEST_CASE("finetune takes the weights and starts counting anew", "[ranks]") {
  const test::ScratchFolder scratch;
  RunConfig config = run_config(scratch / "first");
  train(config, {1, 1, 1});
  config.checkpoint.load = config.checkpoint.save;
  config.checkpoint.save = scratch / "second";
  config.checkpoint.finetune = true;
  config.training.seed = 5;
  config.training.train_iters = 2;
  train(config, {1, 2, 1});
  REQUIRE(find_checkpoint(scratch / "second") == 2);
  REQUIRE(read_checkpoint_state(scratch / "second", 2).consumed_train_samples == 16);
}

TEST_CASE("a gradient that is not finite never reaches the weights", "[ranks]") {
  RunConfig config = tiny_config();
  const RunShape run = resolve(config, 2);
  run_ranks({2, 1, 1}, [&](World& world) {
    Stream stream{Device{}};
    TrainingEngine engine(config, run, stream, world);
    engine.initialise();
    const auto weights = param_views(engine.layout(), engine.memory().params);
    if (world.rank == 1) weights.back().as<float>()[3] = std::nanf("");  // one replica, one element
    std::vector<std::byte> before(static_cast<size_t>(engine.memory().master.bytes()));
    std::memcpy(before.data(), engine.memory().master.data, before.size());
    const StepResult result = engine.train_step(tiny_loader(config, run, world.at.dp, 0), 0);
    if (result.updated) throw std::runtime_error("the update was not withheld");
    if (std::memcmp(before.data(), engine.memory().master.data, before.size()) != 0)
      throw std::runtime_error("master weights changed");
  });
}
