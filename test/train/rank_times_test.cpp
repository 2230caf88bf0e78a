// What a run tells of its ranks' time: all of it, in parts that are what they are called.
#include <spdlog/logger.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "support/ranks.h"
#include "support/scratch_folder.h"
#include "support/tiny_model.h"
#include "train/trainer.h"

using namespace swallow;

namespace {

using Rows = std::vector<nlohmann::json>;

constexpr std::chrono::milliseconds kRead{3};  // that a sample takes at least
constexpr double kRounding = 1e-6;             // the log's times are whole microseconds

class SlowSource final : public SampleSource {
 public:
  explicit SlowSource(std::unique_ptr<SampleSource> inner) : inner_(std::move(inner)) {}
  [[nodiscard]] int64_t size() const override { return inner_->size(); }
  void sample(int64_t index, std::span<int32_t> out) const override {
    std::this_thread::sleep_for(kRead);
    inner_->sample(index, out);
  }
  [[nodiscard]] std::string describe(int64_t index, int64_t position) const override {
    return inner_->describe(index, position);
  }

 private:
  std::unique_ptr<SampleSource> inner_;
};

/// Lines of metrics.jsonl of a run on two data-parallel ranks, the first of which has slow data.
Rows train(RunConfig config, const std::string& metrics_file) {
  const RunShape run = resolve(config, 2);
  std::ostringstream console;
  run_ranks({2, 1, 1}, [&](World& world) {
    spdlog::logger log("test");
    const StartPoint start = find_start(config, *world.control, log);
    Datasets datasets = open_datasets(data_options(config, start));
    if (world.rank == 0) datasets.train = std::make_unique<SlowSource>(std::move(datasets.train));
    const RankPlaces places =
        rank_places(world.grid, {.node_of_rank = {0, 0}, .host_names = {"here"}});
    std::unique_ptr<MetricsLog> metrics;
    if (world.rank == 0)
      metrics = std::make_unique<MetricsLog>(
          MetricsLogOptions{.jsonl_path = metrics_file, .world_size = 2, .places = places},
          console);
    Stream stream{Device{}};
    StopSignals signals;
    Trainer trainer({config, run, world, stream, datasets, start, signals, log, metrics.get()});
    if (trainer.train() != ExitCode::ok) throw std::runtime_error("the run was stopped");
  });
  Rows rows;
  std::ifstream file(metrics_file);
  for (std::string line; std::getline(file, line);) rows.push_back(nlohmann::json::parse(line));
  return rows;
}

/// Over all records: `key` of a rank times the record's steps.
double total(const Rows& rows, const char* key, size_t rank) {
  double sum = 0;
  for (const auto& row : rows)
    if (row["kind"] == "ranks") sum += row["steps"].get<double>() * row[key][rank].get<double>();
  return sum;
}

}  // namespace

TEST_CASE("the records of ranks cover every step and tell what its time was spent on",
          "[ranks][report]") {
  const test::ScratchFolder scratch;
  RunConfig config = short_run(scratch / "run");
  config.training.train_iters = 7;
  config.log.log_interval = 3;  // the last step is of no interval
  const Rows rows = train(config, scratch / "metrics.jsonl");
  const int64_t steps = config.training.train_iters;
  int64_t covered = 0;
  double step_seconds = 0;
  for (const auto& row : rows) {
    if (row["kind"] == "ranks") {
      covered += row["steps"].get<int64_t>();
      CHECK(row["step"] == covered);
    }
    if (row["kind"] == "step") step_seconds += row["seconds"].get<double>();
  }
  CHECK(covered == steps);
  const double rounding = 3 * kRounding * static_cast<double>(steps);
  const double own = total(rows, "compute_seconds", 0) + total(rows, "waiting_seconds", 0) +
                     total(rows, "data_seconds", 0);
  CHECK(std::abs(own - step_seconds) <= rounding);
  const int64_t samples = steps * config.training.global_batch_size / 2;
  const double slept = std::chrono::duration<double>(kRead).count() * static_cast<double>(samples);
  CHECK(total(rows, "data_seconds", 0) >= slept - rounding);
}
