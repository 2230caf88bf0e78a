// What one step, evaluation or save reports. Numbers of the whole job, not of one rank, unless the
// name says otherwise.
#pragma once

#include <cstdint>
#include <string>

namespace swallow {

struct StepMetrics {
  int64_t step = 0;               // updates done so far, this one included
  double loss = 0.0;              // mean over the tokens of the global batch
  double grad_norm = 0.0;         // global, before clipping
  double lr = 0.0;                // the rate that this step used
  double seconds = 0.0;           // wall time of the step
  int64_t samples = 0;            // sequences in the global batch
  int64_t tokens = 0;             // tokens in the global batch
  int64_t consumed_samples = 0;   // since training began, resumes included
  int64_t consumed_tokens = 0;    // likewise
  int64_t peak_memory_bytes = 0;  // largest over the ranks
  bool skipped = false;           // the update was withheld
};

struct ValidationMetrics {
  int64_t step = 0;
  double loss = 0.0;  // mean over the tokens evaluated
  int64_t tokens = 0;
  double seconds = 0.0;
};

/// The loss on the test set, once after training.
struct TestMetrics : ValidationMetrics {};

struct SaveMetrics {
  int64_t step = 0;
  std::string folder;
  double seconds = 0.0;        // that training stood still
  double total_seconds = 0.0;  // from its begin to the commit; more when written in the background
};

/// Largest resident set of this process so far, in bytes.
int64_t peak_memory_bytes();

}  // namespace swallow
