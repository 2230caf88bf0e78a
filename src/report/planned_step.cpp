#include "report/planned_step.h"

namespace swallow {

namespace {

/// The whole step, or where that has too many bars for a picture its beginning and its end.
std::vector<GanttChart> step_charts(const std::string& title, const std::vector<GanttBar>& bars,
                                    size_t stages) {
  constexpr double kReadable = 24;  // micro-batches
  const double microbatches = static_cast<double>(bars.size()) / (2 * static_cast<double>(stages));
  if (microbatches <= kReadable) return {{title, bars}};
  const Interval time = time_of(bars);
  const double shown = time.length() * (static_cast<double>(stages) + 8) /
                       (microbatches + static_cast<double>(stages));
  return {{title + "; its beginning", cut_bars(bars, {time.low, time.low + shown})},
          {"and its end", cut_bars(bars, {time.high - shown, time.high})}};
}

}  // namespace

std::vector<GanttBar> bars_of(const SimulationResult& step) {
  std::vector<GanttBar> bars;
  for (const PipelineSpan& span : step.spans)
    bars.push_back({.row = span.stage,
                    .kind = span.kind == Step::Kind::backward ? GanttBar::Kind::backward
                                                              : GanttBar::Kind::forward,
                    .microbatch = span.microbatch,
                    .begin = span.begin,
                    .end = span.end});
  return bars;
}

std::string planned_step_svg(const SimulationResult& step, const std::string& what) {
  const std::vector<GanttBar> bars = bars_of(step);
  const std::vector<GanttChart> charts =
      step_charts(gantt_title(what, bars, Unit::seconds), bars, step.busy.size());
  return draw_gantt(charts, Unit::seconds, "time since the first computation shown").document(what);
}

}  // namespace swallow
