// The step lines of metrics.jsonl, which are nearly all of it: read without building a document, so
// that a million of them take seconds.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "telemetry/flops.h"

namespace swallow {

/// One step as its line has it. Numbers that the line lacks are NaN.
struct StepRecord {
  int64_t step = 0;
  double moment = 0;  // when it was written, as parse_moment() gives it
  double loss = 0;
  double grad_norm = 0;
  double loss_z = 0;
  double lr = 0;
  double seconds = 0;
  double tokens = 0;
  double consumed_tokens = 0;
  double consumed_samples = 0;
  double tokens_per_second = 0;                       // of a rank
  std::array<double, kFlopFormulas.size()> tflops{};  // of a rank, in the order of kFlopFormulas
  double mfu = 0;                                     // of 1
  double train_iters = 0;
  double peak_memory_bytes = 0;
  bool skipped = false;
  bool redone = false;  // filled in by read_run(): a later job has done this step again
  int job = 0;          // likewise: index of its job
};

/// Whether `line` begins as MetricsLog begins a step's: then it need not be parsed to know that.
bool looks_like_step(std::string_view line);

/// Nothing when the line is no sound step: not JSON, no step number, no time that it took.
std::optional<StepRecord> parse_step(std::string_view line);

}  // namespace swallow
