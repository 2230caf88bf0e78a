// How each rank fares: the time it computed itself and its memory, told to all ranks in one small
// reduction with every logged step.
#pragma once

#include <cstdint>
#include <vector>

#include "comm/world.h"
#include "launch/host_map.h"
#include "telemetry/rank_report.h"

namespace swallow {

[[nodiscard]] RankPlaces rank_places(const ProcessGrid& grid, const HostMap& hosts);

class RankSurvey {
 public:
  /// Both outlive the survey.
  RankSurvey(const World& world, Stream& stream);

  /// A step in which this rank computed for `compute_seconds`.
  void add_step(double compute_seconds) noexcept;

  /// Collective, one call: the means over the steps since the last time, after step `step`.
  [[nodiscard]] RankMetrics gather(int64_t step);

 private:
  const World& world_;
  Stream& stream_;
  std::vector<int64_t> host_;  // [2 * world size]: microseconds of a step, then bytes, of each rank
  Buffer buffer_;              // the same on the device
  double seconds_ = 0;         // since the last time
  int64_t steps_ = 0;          // likewise
};

}  // namespace swallow
