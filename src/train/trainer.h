// A run: load or initialise, train, evaluate, save, stop when asked. The training step itself is
// TrainingEngine::train_step (train/engine.cpp).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/check.h"
#include "data/batch_loader.h"
#include "data/datasets.h"
#include "launch/stop_signals.h"
#include "telemetry/metrics_log.h"
#include "train/end_watch.h"
#include "train/engine.h"
#include "train/order_check.h"
#include "train/rank_survey.h"
#include "train/saver.h"
#include "train/start_point.h"
#include "train/tracing.h"
#include "train/watchdog.h"

namespace spdlog {
class logger;
}

namespace swallow {

/// What a trainer is given; everything outlives it.
struct TrainerContext {
  const RunConfig& config;
  const RunShape& run;
  const World& world;
  Stream& stream;
  const Datasets& datasets;  // sources may be absent on stages that read no tokens
  const StartPoint& start;
  StopSignals& signals;
  spdlog::logger& log;
  MetricsLog* metrics = nullptr;  // on rank 0
  EndWatch* end = nullptr;        // on rank 0
  Watchdog* watchdog = nullptr;
};

class Trainer {
 public:
  explicit Trainer(const TrainerContext& context);

  /// Collective: loads what the start point names, or makes random weights. Returns why a
  /// checkpoint cannot be used, the same on every rank: the trainer is then of no use either, and
  /// another start point is called for.
  [[nodiscard]] std::optional<std::string> start();

  /// Runs from where start() has led (calls it where that was not done) to the last iteration,
  /// saves and tests there; or to a request to stop or to finish or --exit-interval, where only the
  /// state is saved. Returns ok, or stopped when a later job must go on. Throws NonFiniteError when
  /// loss or gradient stops being a number, with the weights untouched.
  ExitCode train();

  /// Updates done.
  [[nodiscard]] int64_t iteration() const noexcept { return iteration_; }

 private:
  void load(int64_t iteration);
  void load_folder();
  StepResult train_step();
  [[nodiscard]] Votes votes();
  [[nodiscard]] bool is_last(const StepResult& result) const;
  ExitCode end_early(bool for_good);
  void enter(Phase phase);
  void survey_ranks(bool last);
  void report_step(const StepResult& result, double seconds);
  void evaluate();
  void test();
  /// The mean loss of eval_iters global batches.
  ValidationMetrics measure(BatchLoader* source, int64_t consumed_samples);
  [[nodiscard]] CheckpointState state() const;
  [[noreturn]] void stop_non_finite(const StepResult& result);
  [[nodiscard]] LoadMicrobatch loader(BatchLoader* source, int64_t consumed_samples) const;

  TrainerContext c_;
  TrainingEngine engine_;
  std::unique_ptr<BatchLoader> train_data_;
  std::unique_ptr<BatchLoader> valid_data_;
  std::unique_ptr<BatchLoader> test_data_;
  DataOptions data_options_;
  RankSurvey survey_;
  Tracing tracing_;
  int64_t peak_memory_bytes_ = 0;  // the largest resident set of all ranks
  int64_t iteration_ = 0;          // updates done
  int64_t consumed_samples_ = 0;   // by all data-parallel ranks together
  int64_t evaluated_at_ = -1;
  bool started_ = false;
  bool stepped_ = false;  // in this process
  Saver saver_;           // last: its thread ends before what it uses
};

}  // namespace swallow
