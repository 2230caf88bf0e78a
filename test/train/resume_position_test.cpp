// The position of a run is a number of samples: whatever the ranks or the batch of a resume, it
// goes on with the next unseen sample.
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>

#include "checkpoint/checkpoint.h"
#include "support/ranks.h"
#include "support/scratch_folder.h"
#include "support/tiny_model.h"
#include "telemetry/metrics_log.h"
#include "train/trainer.h"

using namespace swallow;
namespace fs = std::filesystem;

namespace {

using Samples = std::vector<int64_t>;

/// What all ranks read, in the order of time. Ranks meet in every step, so the samples of one step
/// stand together.
struct Recording {
  std::mutex mutex;
  Samples samples;
};

class RecordingSource final : public SampleSource {
 public:
  RecordingSource(std::unique_ptr<SampleSource> inner, Recording& recording)
      : inner_(std::move(inner)), recording_(recording) {}
  [[nodiscard]] int64_t size() const override { return inner_->size(); }
  void sample(int64_t index, std::span<int32_t> out) const override {
    inner_->sample(index, out);
    const std::lock_guard lock(recording_.mutex);
    recording_.samples.push_back(index);
  }
  [[nodiscard]] std::string describe(int64_t index, int64_t position) const override {
    return inner_->describe(index, position);
  }

 private:
  std::unique_ptr<SampleSource> inner_;
  Recording& recording_;
};

struct Outcome {
  std::vector<Samples> steps;        // indices of each global step, sorted
  std::vector<nlohmann::json> rows;  // of metrics.jsonl, training steps only
  std::string log;                   // of all ranks
};

/// Trains on `dp` ranks that are threads.
Outcome train(const RunConfig& config, int dp) {
  const std::string metrics_file = config.checkpoint.save + ".jsonl";
  const RunShape run = resolve(config, dp);
  Recording recording;
  std::ostringstream console;
  std::ostringstream words;
  const auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(words);
  run_ranks({dp, 1, 1}, [&](World& world) {
    spdlog::logger log("test", sink);
    const StartPoint start = find_start(config, *world.control, log);
    Datasets datasets = open_datasets(data_options(config, start));
    datasets.train = std::make_unique<RecordingSource>(std::move(datasets.train), recording);
    std::unique_ptr<MetricsLog> metrics;
    if (world.rank == 0)
      metrics =
          std::make_unique<MetricsLog>(MetricsLogOptions{.jsonl_path = metrics_file}, console);
    Stream stream{Device{}};
    StopSignals signals;
    Trainer trainer({config, run, world, stream, datasets, start, signals, log, metrics.get()});
    if (trainer.train() != ExitCode::ok) throw std::runtime_error("the run was stopped");
  });
  Outcome outcome{.log = words.str()};
  const auto batch = static_cast<size_t>(config.training.global_batch_size);
  REQUIRE(recording.samples.size() % batch == 0);
  for (auto at = recording.samples.begin(); at != recording.samples.end();) {
    const auto end = at + static_cast<std::ptrdiff_t>(batch);
    outcome.steps.emplace_back(at, end);
    std::sort(outcome.steps.back().begin(), outcome.steps.back().end());
    at = end;
  }
  std::ifstream file(metrics_file);
  for (std::string line; std::getline(file, line);) {
    auto row = nlohmann::json::parse(line);
    if (row.contains("consumed_samples")) outcome.rows.push_back(std::move(row));
  }
  fs::remove(metrics_file);
  return outcome;
}

RunConfig run_config(const std::string& save) {
  RunConfig config = tiny_config();
  config.model.num_layers = 1;
  config.training.train_iters = 6;
  config.training.eval_iters = 1;
  config.training.eval_interval = 4;
  config.optimizer.lr_warmup_iters = 2;
  config.optimizer.lr_decay_style = LrDecayStyle::linear;
  config.checkpoint.save = save;
  return config;
}

/// Three steps of 8 samples on two ranks, saved in `folder`; the configuration that goes on.
RunConfig half_run(const std::string& folder) {
  RunConfig config = run_config(folder);
  config.training.exit_interval = 3;
  REQUIRE(train(config, 2).steps.size() == 3);
  config.training.exit_interval = 0;
  config.checkpoint.load = folder;
  return config;
}

Samples range(int64_t begin, int64_t end) {
  Samples samples(static_cast<size_t>(end - begin));
  std::iota(samples.begin(), samples.end(), begin);
  return samples;
}

std::vector<double> rates(const std::vector<nlohmann::json>& rows) {
  std::vector<double> rates;
  for (const auto& row : rows) rates.push_back(row.at("lr").get<double>());
  return rates;
}

}  // namespace

TEST_CASE("after DP is doubled or halved every step takes the samples of an uninterrupted run",
          "[ranks][resume]") {
  const test::ScratchFolder scratch;
  const Outcome straight = train(run_config(scratch / "straight"), 2);
  REQUIRE(straight.steps.size() == 6);
  for (int64_t k = 0; k < 6; ++k)
    REQUIRE(straight.steps[static_cast<size_t>(k)] == range(8 * k, 8 * k + 8));
  const int dp = GENERATE(1, 2, 4);
  const int64_t micro_batch = GENERATE(1, 2);
  INFO("resumed on " << dp << " ranks with micro-batches of " << micro_batch);
  RunConfig config = half_run(scratch / "resumed");
  config.training.micro_batch_size = micro_batch;
  const Outcome resumed = train(config, dp);
  REQUIRE(resumed.steps == std::vector<Samples>(straight.steps.begin() + 3, straight.steps.end()));
  REQUIRE(resumed.log.find("--accept-change") == std::string::npos);
  REQUIRE(read_checkpoint_state(scratch / "resumed", 6).consumed_train_samples == 48);
}

TEST_CASE("another global batch goes on with the next unseen sample, and the same learning rates",
          "[ranks][resume]") {
  const test::ScratchFolder scratch;
  const Outcome straight = train(run_config(scratch / "straight"), 2);
  const int64_t batch = GENERATE(2, 4, 12);
  INFO("8 samples a step, then " << batch);
  RunConfig config = half_run(scratch / "resumed");
  config.training.global_batch_size = batch;
  REQUIRE_THROWS_WITH(train(config, 2), Catch::Contains("--accept-change global_batch_size "));
  config.checkpoint.accept_change = "global_batch_size";
  const Outcome resumed = train(config, 2);
  // With 4 or 2 samples a step, six steps alone would not reach sample 24: the data must be sized
  // by what was consumed.
  REQUIRE(resumed.steps == std::vector<Samples>{range(24, 24 + batch),
                                                range(24 + batch, 24 + 2 * batch),
                                                range(24 + 2 * batch, 24 + 3 * batch)});
  const std::string line = fmt::format("--accept-change global_batch_size: 8 -> {}: ", batch);
  const size_t at = resumed.log.find(line);
  REQUIRE(at != std::string::npos);
  REQUIRE(resumed.log.find(line, at + 1) == std::string::npos);  // rank 0 alone tells it
  const std::vector<double> all = rates(straight.rows);
  REQUIRE(all.size() == 6);
  REQUIRE(rates(resumed.rows) == std::vector<double>(all.begin() + 3, all.end()));
  REQUIRE(resumed.rows[0].at("consumed_samples") == 24 + batch);
  const CheckpointState last = read_checkpoint_state(scratch / "resumed", 6);
  REQUIRE(last.consumed_train_samples == 24 + 3 * batch);
}

TEST_CASE("the count stays exact over several changes of the batch", "[ranks][resume]") {
  const test::ScratchFolder scratch;
  RunConfig config = half_run(scratch / "run");
  config.checkpoint.accept_change = "global_batch_size";
  config.training.global_batch_size = 4;
  config.training.exit_interval = 4;
  REQUIRE(train(config, 2).steps == std::vector<Samples>{range(24, 28)});
  config.training.exit_interval = 5;  // queued again as it is
  const Outcome again = train(config, 1);
  REQUIRE(again.steps == std::vector<Samples>{range(28, 32)});
  REQUIRE(again.log.find("--accept-change global_batch_size: not needed") != std::string::npos);
  config.training.exit_interval = 0;
  config.training.global_batch_size = 2;
  REQUIRE(train(config, 2).steps == std::vector<Samples>{range(32, 34)});
}

TEST_CASE("a changed seed keeps the position and takes other samples", "[ranks][resume]") {
  const test::ScratchFolder scratch;
  RunConfig config = half_run(scratch / "resumed");
  config.training.seed = 99;
  REQUIRE_THROWS_AS(train(config, 2), CheckpointError);
  config.checkpoint.accept_change = "seed";
  const Outcome resumed = train(config, 2);
  REQUIRE(resumed.steps == std::vector<Samples>{range(24, 32), range(32, 40), range(40, 48)});
  REQUIRE(resumed.log.find("--accept-change seed: 1234 -> 99") != std::string::npos);
}

TEST_CASE("the run's samples are the same number at every resume", "[unit][resume]") {
  RunConfig config = tiny_config();
  config.training.train_iters = 100;
  config.training.global_batch_size = 8;
  REQUIRE(num_train_samples(data_options(config)) == 800);
  REQUIRE(num_train_samples(data_options(
              config, {.checkpoint = 30, .iteration = 30, .consumed_samples = 240})) == 800);
  config.training.global_batch_size = 2;
  for (const int64_t done : {30, 31, 99, 100})
    REQUIRE(num_train_samples(data_options(
                config, {.iteration = done, .consumed_samples = 240 + 2 * (done - 30)})) == 380);
}

TEST_CASE("a wrong name in --accept-change is refused before there is a checkpoint",
          "[ranks][resume]") {
  const test::ScratchFolder scratch;
  RunConfig config = run_config(scratch / "run");
  config.checkpoint.load = config.checkpoint.save;
  config.checkpoint.load_or_init = true;
  config.checkpoint.accept_change = "sead";
  REQUIRE_THROWS_WITH(train(config, 1), Catch::EndsWith("did you mean seed?"));
}
