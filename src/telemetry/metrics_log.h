// Where the numbers of a run go: the step line on the console, one JSON object a line in a file,
// and the summary at the end. Made on one rank. Failing to write never stops training: the console
// says so once and the run goes on.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <fstream>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "telemetry/event_file.h"
#include "telemetry/flops.h"
#include "telemetry/rank_report.h"
#include "telemetry/step_line.h"
#include "telemetry/step_metrics.h"

namespace swallow {

enum class LineStyle : uint8_t { text, megatron };

struct MetricsLogOptions {
  LineStyle style = LineStyle::text;
  bool terminal = false;        // otherwise each line starts with the time
  bool colour = false;          // bold validation lines
  std::string jsonl_path;       // appended to; empty: no file
  std::string tensorboard_dir;  // empty: no event file
  std::string build;            // the program's version, for the file's first record
  int64_t log_interval = 1;
  int64_t train_iters = 0;
  int world_size = 1;
  RankPlaces places;         // empty: nothing is told of single ranks
  double peak_tflops = 0.0;  // of one rank; 0: MFU is not shown
  ModelSize model;
};

/// What is left to say after the last step.
struct RunSummary {
  int64_t steps = 0;  // done by this process
  int64_t last_step = 0;
  int64_t tokens = 0;
  double wall_seconds = 0.0;    // since the log was made
  double step_seconds = 0.0;    // of these, in steps whose update counted
  double median_seconds = 0.0;  // per step
  double p95_seconds = 0.0;
  double last_loss = 0.0;
  std::optional<ValidationMetrics> best_validation;
  std::optional<ValidationMetrics> last_validation;
  std::optional<TestMetrics> test;
  std::optional<SaveMetrics> last_save;
  std::string slow_rank;  // RankReport::summary

  /// A table for the console.
  [[nodiscard]] std::string text() const;
};

class MetricsLog {
 public:
  /// Version of the JSON lines, in each of them.
  static constexpr int kSchema = 1;

  /// `console` must outlive the log.
  MetricsLog(MetricsLogOptions options, std::ostream& console);

  /// First record of the file: the resolved configuration, as config_json wrote it.
  void write_run(const std::string& config_json);
  /// A record of `kind` with the members of a JSON object: what is known before step 1.
  void write_facts(const char* kind, const std::string& json_object);
  void write(const StepMetrics& metrics);
  void write(const ValidationMetrics& metrics);
  void write(const TestMetrics& metrics);
  void write(const SaveMetrics& metrics);
  /// To be called before the metrics of the same step, whose line then names a slow rank.
  void write(const RankMetrics& metrics);

  [[nodiscard]] RunSummary summary() const;

 private:
  /// Sums since the last line.
  struct Interval {
    int64_t steps = 0;
    int64_t skipped = 0;
    int64_t nan = 0;
    int64_t tokens = 0;
    double loss = 0.0;  // over the steps that were not skipped
    double seconds = 0.0;
  };

  StepRow make_row(const StepMetrics& metrics) const;
  std::optional<double> score(double loss) const;
  void add_to_interval(const StepMetrics& metrics);
  void print_step(const StepRow& row);
  void append_loss(const char* kind, const ValidationMetrics& metrics);
  void print(const std::string& line);
  void print_bold(const std::string& line);
  void append(const std::string& json_line);
  template <class... Args>
  void write_event(const Args&... args);

  MetricsLogOptions options_;
  std::ostream& console_;
  std::ofstream file_;
  std::chrono::steady_clock::time_point start_;
  int64_t lines_ = 0;
  std::deque<double> recent_losses_;   // of the last kWindow steps
  std::deque<double> recent_seconds_;  // likewise
  std::vector<float> all_seconds_;     // 4 bytes a step, for the summary's quantiles
  Interval interval_;
  RankReport ranks_;
  std::optional<EventFile> events_;  // until it cannot be written
  RunSummary summary_;
};

}  // namespace swallow
