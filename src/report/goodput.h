// Where the time of a run went, over all of its jobs, from the first line of its log to the last.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "report/run_record.h"

namespace swallow {

struct Goodput {
  double useful = 0;    // steps whose update is part of the model
  double withheld = 0;  // steps whose update was withheld
  double lost = 0;      // steps and evaluations that a later job did again
  double evaluation = 0;
  double save = 0;      // that training stood still
  double start_up = 0;  // from a job's first line to the begin of its first step
  double downtime = 0;  // from a job's last line to the next job's first
  double other = 0;     // the rest: work cut short, and what takes time between the lines

  [[nodiscard]] double wall() const noexcept;
  /// Share of wall() that is useful; 0 when there is no time.
  [[nodiscard]] double share() const noexcept;
};

struct GoodputPart {
  std::string_view name;
  std::string_view meaning;
  double Goodput::*seconds;
};
/// All parts, in the order in which they are shown.
const std::array<GoodputPart, 8>& goodput_parts();

/// The log's clock shows whole seconds: parts that end between two lines are off by one at most,
/// and never negative.
Goodput account(const RunRecord& run);

/// Steps that took far longer than others of their job, longest first, `most` at most: above 1.5
/// times the run's median.
std::vector<const StepRecord*> slow_steps(const RunRecord& run, size_t most);
inline constexpr double kSlowFactor = 1.5;

}  // namespace swallow
