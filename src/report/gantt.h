// A pipeline's step as a picture: a row a stage, a bar for each forward and backward of a
// micro-batch with its number. It knows of bars only, whether they were planned or measured.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "report/axis.h"
#include "report/svg.h"

namespace swallow {

struct GanttBar {
  enum class Kind : uint8_t { forward, backward };
  int row = 0;  // the stage
  Kind kind = Kind::forward;
  int64_t microbatch = 0;
  double begin = 0, end = 0;  // in the chart's unit of time
};

struct GanttChart {
  std::string title;
  std::vector<GanttBar> bars;
};

/// Share of the time from the first begin to the last end, over all rows that have a bar, in which
/// no bar runs: 0 to 1; 0 without bars.
double bubble_share(std::span<const GanttBar> bars);

/// "planned: 123 ms for the step, bubble 20.0 %".
std::string gantt_title(std::string_view what, std::span<const GanttBar> bars, Unit unit);

/// What of the bars lies between two times, cut off there.
std::vector<GanttBar> cut_bars(std::span<const GanttBar> bars, Interval time);

/// From the first begin to the last end.
Interval time_of(std::span<const GanttBar> bars);

/// Charts one above another on one scale that begins with each chart's first bar. `unit` is seconds
/// for times, plain for costs without a unit. Use element() of what comes back in a page,
/// document() for a file.
SvgWriter draw_gantt(std::span<const GanttChart> charts, Unit unit, std::string_view axis_title);

}  // namespace swallow
