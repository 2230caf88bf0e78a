// Which layout trains fastest on a given number of GPUs: every valid one is planned and estimated.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "config/run_config.h"
#include "config/run_shape.h"
#include "plan/hardware_profile.h"
#include "plan/software_profile.h"

namespace swallow {

/// What the search chooses. Sequence parallelism goes with TP above 1: it takes memory away and
/// adds no traffic that the products need not have.
struct Layout {
  int64_t tp = 1;
  int64_t pp = 1;
  int64_t dp = 1;
  int64_t micro_batch_size = 1;
  Recompute recompute = Recompute::none;
  PipelineSchedule schedule = PipelineSchedule::one_f_one_b;
  friend bool operator==(const Layout&, const Layout&) = default;
};

struct RankedLayout {
  Layout layout;
  std::string reason;            // why it cannot be run; empty: it can
  int64_t planned_bytes = 0;     // of the fullest rank; 0: refused before it was planned
  double step_seconds = 0;       // likewise
  double tokens_per_second = 0;  // of one rank; likewise
};

struct LayoutRanking {
  std::vector<RankedLayout> fitting;    // the fastest first
  std::vector<RankedLayout> too_large;  // for the memory limit; the fastest first
  std::vector<RankedLayout> refused;    // by the rules on settings, in order of the search

  /// Its place among `fitting`, from 0, or nothing.
  [[nodiscard]] const RankedLayout* find(const Layout& layout) const;
};

struct LayoutQuestion {
  /// Model, global batch and all else; what Layout holds is replaced.
  RunConfig config;
  int num_ranks = 1;
  int64_t memory_limit = 0;  // bytes of a rank
  std::vector<int64_t> micro_batch_sizes{1, 2, 4, 8};
  /// Bytes of the fullest rank.
  std::function<int64_t(const RunConfig& config, const RunShape& run)> planned_bytes;
};

LayoutRanking search_layouts(const LayoutQuestion& question, const HardwareProfile& hardware,
                             const SoftwareProfile& software);

/// `config` with the layout's settings.
RunConfig with_layout(RunConfig config, const Layout& layout);

}  // namespace swallow
