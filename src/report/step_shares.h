// What ranks did in the steps that are part of the model: compute, wait for each other, wait for
// data. Told by the "ranks" records, each of which covers all steps since the one before it.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "report/run_record.h"

namespace swallow {

/// Shares of the ranks' own time in steps, which add up to 1.
using Shares = std::array<double, 3>;

struct StepPart {
  std::string_view name;
  std::string_view meaning;
  std::vector<double> RanksRecord::*seconds;
};
/// In the order of Shares.
const std::array<StepPart, 3>& step_parts();

struct StepShares {
  double steps = 0;      // that the records cover; whole
  Shares mean{};         // over ranks and steps
  size_t ranks = 0;      // of the last of the records
  size_t data_rank = 0;  // that of them which waited for data most
  Shares of_data_rank{};
};

/// Nothing when no record of the run has these times. Records of steps done again do not count.
std::optional<StepShares> step_shares(const RunRecord& run);

}  // namespace swallow
