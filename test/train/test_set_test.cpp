// The test set is evaluated once, where the run ends and nowhere else.
#include <spdlog/logger.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/fixtures.h"
#include "support/ranks.h"
#include "support/scratch_folder.h"
#include "support/tiny_model.h"
#include "telemetry/metrics_log.h"
#include "train/trainer.h"

using namespace swallow;

namespace {

RunConfig run_config(const test::ScratchFolder& folder) {
  RunConfig config = tiny_config();
  config.model.num_layers = 3;
  config.training.train_iters = 4;
  config.training.eval_interval = 4;
  config.training.eval_iters = 2;
  config.optimizer.lr_warmup_iters = 0;
  test::write_dataset(folder / "a", test::uneven_lengths(300), 50);
  test::write_dataset(folder / "b", test::uneven_lengths(400), 40);
  config.data = {.train_data_path = {folder / "a"},
                 .valid_data_path = {folder / "b"},
                 .test_data_path = {folder / "b"}};
  config.checkpoint.save = folder / "run";
  return config;
}

using Rows = std::vector<nlohmann::json>;

/// What metrics.jsonl holds of `kind`. As in a job, stages in the middle open no data.
Rows rows_of(const std::string& kind, RunConfig config, GridShape grid) {
  config.parallel.tensor_model_parallel_size = grid.tp;
  config.parallel.pipeline_model_parallel_size = grid.pp;
  const RunShape run = resolve(config, grid.world_size());
  const std::string path = config.checkpoint.save + ".jsonl";
  std::ostringstream console;
  run_ranks(grid, [&](World& world) {
    spdlog::logger log("test");
    const StartPoint start = find_start(config, *world.control, log);
    Datasets datasets;
    if (world.at.pp == 0 || world.at.pp == run.pp - 1)
      datasets = open_datasets(data_options(config, start));
    std::unique_ptr<MetricsLog> metrics;
    if (world.rank == 0)
      metrics = std::make_unique<MetricsLog>(
          MetricsLogOptions{.jsonl_path = path, .train_iters = config.training.train_iters},
          console);
    Stream stream{Device{}};
    StopSignals signals;
    Trainer trainer({config, run, world, stream, datasets, start, signals, log, metrics.get()});
    (void)trainer.train();
  });
  Rows rows;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    auto row = nlohmann::json::parse(line);
    if (row.at("kind") == kind) rows.push_back(std::move(row));
  }
  std::filesystem::remove(path);
  return rows;
}

}  // namespace

TEST_CASE("the test loss is that of the same samples in validation, on any grid", "[ranks]") {
  for (const GridShape grid : {GridShape{1, 1, 1}, GridShape{2, 1, 1}, GridShape{1, 1, 3}}) {
    CAPTURE(grid.dp, grid.pp);
    const test::ScratchFolder folder;
    // One epoch holds all of both sets, so that they begin with the same samples.
    const Rows tests = rows_of("test", run_config(folder), grid);
    std::filesystem::remove_all(folder / "run");
    const Rows validations = rows_of("validation", run_config(folder), grid);
    REQUIRE(tests.size() == 1);
    REQUIRE(validations.size() == 1);
    REQUIRE(tests[0].at("step") == 4);
    REQUIRE(tests[0].at("loss_hex") == validations[0].at("loss_hex"));
    REQUIRE(tests[0].at("tokens") == validations[0].at("tokens"));
  }
}

TEST_CASE("a run that stops before its end is not tested, and is when it resumes", "[ranks]") {
  const test::ScratchFolder folder;
  RunConfig config = run_config(folder);
  const Rows straight = rows_of("test", config, {1, 1, 1});
  std::filesystem::remove_all(folder / "run");
  config.training.exit_interval = 2;
  REQUIRE(rows_of("test", config, {1, 1, 1}).empty());
  config.training.exit_interval = 0;
  config.checkpoint.load = config.checkpoint.save;
  const Rows resumed = rows_of("test", config, {1, 1, 1});
  REQUIRE(resumed.size() == 1);
  REQUIRE(resumed[0].at("loss_hex") == straight[0].at("loss_hex"));
}

TEST_CASE("a run without test data or evaluations is not tested", "[ranks]") {
  const test::ScratchFolder folder;
  RunConfig config = run_config(folder);
  config.data.test_data_path = {};
  REQUIRE(rows_of("test", config, {1, 1, 3}).empty());
  std::filesystem::remove_all(folder / "run");
  config = run_config(folder);
  config.training.eval_iters = 0;
  REQUIRE(rows_of("test", config, {1, 1, 3}).empty());
}
