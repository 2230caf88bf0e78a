// How each rank fares: where the time of its steps went and its memory, told to all ranks in one
// small reduction with every logged step.
#pragma once

#include <cstdint>
#include <vector>

#include "comm/world.h"
#include "launch/host_map.h"
#include "telemetry/rank_report.h"

namespace swallow {

[[nodiscard]] RankPlaces rank_places(const ProcessGrid& grid, const HostMap& hosts);

/// Seconds of one step of this rank, which add up to it.
struct StepParts {
  double compute = 0;
  double waiting = 0;  // for other ranks
  double data = 0;     // waiting for micro-batches
};

class RankSurvey {
 public:
  /// Both outlive the survey.
  RankSurvey(const World& world, Stream& stream);

  void add_step(const StepParts& seconds) noexcept;

  /// Collective, one call: the means over the steps since the last time, after step `step`.
  [[nodiscard]] RankMetrics gather(int64_t step);

 private:
  const World& world_;
  Stream& stream_;
  /// [4, world size]: microseconds of a step in the order of StepParts, then bytes.
  std::vector<int64_t> host_;
  Buffer buffer_;      // the same on the device
  StepParts seconds_;  // since the last time
  int64_t steps_ = 0;  // likewise
};

}  // namespace swallow
