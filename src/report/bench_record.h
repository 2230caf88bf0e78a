// Records that `swallow-train bench --output` has written, as far as a comparison over ranks needs
// them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "telemetry/flops.h"

namespace swallow {

struct BenchRecord {
  std::string path;
  std::string label;  // its file's name without folder and ending
  std::string preset, device, build, time;
  int64_t ranks = 0, dp = 0, tp = 0, pp = 0;
  int64_t global_batch_size = 0, micro_batch_size = 0, seq_length = 0;
  double step_ms = 0, spread = 0;  // median; (max - min) / median
  double tokens_per_second = 0;    // of all ranks
  double tokens_per_second_per_rank = 0;
  std::array<double, kFlopFormulas.size()> tflops{};  // of a rank, in the order of kFlopFormulas
  double mfu = 0;                                     // causal, of 1; 0: the peak is not known

  /// Records with the same are compared as one series over ranks.
  [[nodiscard]] std::string series() const;
};

/// In the order of the paths. Throws DataError, naming the file, when one is no record of whole
/// steps.
std::vector<BenchRecord> read_bench_records(const std::vector<std::string>& paths);

}  // namespace swallow
