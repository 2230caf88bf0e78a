// The lines a person watches: pure functions from numbers to text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "telemetry/step_metrics.h"

namespace swallow {

/// What a step line shows: a step's metrics with what follows from them. Times and losses are means
/// over the `interval_steps` steps since the line before.
struct StepRow {
  StepMetrics metrics;
  int64_t train_iters = 0;
  int64_t interval_steps = 1;
  int64_t interval_skipped = 0;    // updates withheld since the line before
  int64_t interval_nan = 0;        // of these, with a loss that was not finite
  double tokens_per_second = 0.0;  // per rank
  double tflops = 0.0;             // per rank, causal formula
  double fork_tflops = 0.0;        // per rank, as Megatron-Llama2's printer counts
  std::optional<double> loss_z;    // standard deviations from the mean of the steps before
  std::optional<double> mfu;       // 0 to 1; absent when the peak is not known
  double eta_seconds = -1.0;       // negative: not known
  std::string note;                // what a person should look at; mostly empty
};

/// The columns' names, aligned with step_line.
std::string step_header(const StepRow& row);

/// At most 100 columns up to 9,999,999 steps: step/N, loss, z, gradient norm, learning rate, ms,
/// tokens/s per rank, TFLOPS per rank, MFU when known, peak GiB, tokens so far, ETA. A first
/// column of '!' marks an update that was withheld; a note stands behind the last column.
std::string step_line(const StepRow& row);

/// The line of Megatron-Llama2, field for field, for scripts that read "lm loss:" and "TFLOPS:",
/// with our own formula behind it. `TFLOPS` is the fork's count.
std::string megatron_line(const StepRow& row);

/// Lines marked V, T and S in the first column, aligned with step_line.
std::string validation_line(const ValidationMetrics& metrics, int64_t train_iters);
std::string test_line(const TestMetrics& metrics, int64_t train_iters);
std::string save_line(const SaveMetrics& metrics, int64_t train_iters);

}  // namespace swallow
