// The section on step times: one after another, how often which, and the slow ones by name.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "report/curve.h"
#include "report/goodput.h"
#include "report/histogram.h"
#include "report/html.h"
#include "report/plot.h"
#include "report/section.h"
#include "report/series.h"
#include "report/style.h"

namespace swallow {

namespace {

using Kind = TimelineEntry::Kind;

constexpr double kWidth = 960;
constexpr double kLeft = 108;
constexpr size_t kSlowShown = 8;
constexpr std::array kFractions{0.05, 0.5, 0.95};

/// Steps, evaluations and saves one after another on the clock of the time spent in them: what lies
/// between two jobs takes no room.
struct RunningTime {
  Series seconds;  // of steps, over the running time at their end
  std::vector<Interval> evaluations, saves, starts;
  double total = 0;
};

RunningTime running_time(const RunRecord& run) {
  RunningTime time;
  const auto spend = [&time](double seconds) {
    const double begin = time.total;
    time.total += seconds > 0 ? seconds : 0;
    return Interval{begin, time.total};
  };
  for (const TimelineEntry& entry : run.timeline) {
    switch (entry.kind) {
      case Kind::job:
        time.starts.push_back({time.total, time.total});
        break;
      case Kind::step:
        time.seconds.x.push_back(spend(run.steps[entry.index].seconds).high);
        time.seconds.y.push_back(run.steps[entry.index].seconds);
        break;
      case Kind::evaluation:
        time.evaluations.push_back(spend(run.validations[entry.index].seconds));
        break;
      case Kind::save:
        time.saves.push_back(spend(run.saves[entry.index].seconds));
        break;
    }
  }
  return time;
}

std::string counted(size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string step_timeline(const RunRecord& run) {
  const RunningTime time = running_time(run);
  const Interval range = range_without_outliers(time.seconds.y);
  const auto marks = quantiles(time.seconds.y, kFractions);
  constexpr double kTop = 24;
  constexpr double kHeight = 190;
  SvgWriter svg(kWidth, kTop + kHeight + 3 * kStripHeight + 46);
  const PlotAxis x = linear_axis("running time", {0, time.total}, Unit::seconds, 10);
  Plot plot(svg, {kLeft, kTop, kWidth - kLeft - 24, kHeight}, x,
            linear_axis("step time", with_room(range), Unit::seconds, 6));
  plot.draw_frame(Plot::XLabels::none);
  plot.curve(time.seconds.x, time.seconds.y, 0, "step time");
  plot.horizontal(marks[0], "limit", fmt::format("5 %: {}", value_text(marks[0], Unit::seconds)));
  plot.horizontal(marks[1], "centre",
                  fmt::format("median: {}", value_text(marks[1], Unit::seconds)));
  plot.horizontal(marks[2], "limit", fmt::format("95 %: {}", value_text(marks[2], Unit::seconds)));
  std::vector<LegendEntry> legend{{LegendEntry::Sample::line, line_class(0), "a step"},
                                  {LegendEntry::Sample::line, "centre", "median"},
                                  {LegendEntry::Sample::line, "limit", "5 % and 95 %"}};
  const Interval all = range_of(time.seconds.y);
  if (all.high > plot.y_axis().range.high || all.low < plot.y_axis().range.low)
    legend.push_back({LegendEntry::Sample::area, "alarm-fill", "beyond the axis"});
  draw_legend(svg, {kLeft, 14}, legend);
  double top = kTop + kHeight + 4;
  for (const MarkStrip& strip :
       {MarkStrip{counted(time.evaluations.size(), "evaluation"), "evaluation", time.evaluations},
        MarkStrip{counted(time.saves.size(), "save"), "save", time.saves},
        MarkStrip{counted(time.starts.size(), "job"), "start", time.starts}}) {
    draw_strip(svg, plot, strip, top);
    top += kStripHeight;
  }
  for (const Tick& tick : x.ticks)
    svg.text({plot.to_x(tick.value), top + 13}, tick.label, SvgWriter::Anchor::middle, "soft");
  svg.text({kLeft + plot.area().width / 2, top + 30}, x.title, SvgWriter::Anchor::middle);
  return svg.element("step time over running time");
}

/// What was next to a slow step in the log, which often is the reason.
std::string neighbourhood(const RunRecord& run, const StepRecord& step) {
  const auto index = static_cast<size_t>(&step - run.steps.data());
  if (index == 0 || run.steps[index - 1].job != step.job) return "first of its job";
  for (const SaveRecord& save : run.saves)
    if (save.job == step.job && save.step == step.step - 1) return "after a save";
  for (const LossRecord& record : run.validations)
    if (record.job == step.job && record.step == step.step - 1) return "after an evaluation";
  return "";
}

std::string slow_table(const RunRecord& run) {
  const auto slow = slow_steps(run, kSlowShown);
  const double median = quantile(values_of(run, &StepRecord::seconds), 0.5);
  if (slow.empty())
    return paragraph(fmt::format("No step took longer than {} times the median.", kSlowFactor));
  HtmlTable table{{"slow step", "time", "times the median", "written at", "where"}, {}, true};
  for (const StepRecord* step : slow)
    table.rows.push_back({fmt::format("{}", step->step), value_text(step->seconds, Unit::seconds),
                          fmt::format("{:.1f}", step->seconds / median),
                          std::isfinite(step->moment) ? moment_text(step->moment) : "-",
                          neighbourhood(run, *step)});
  return paragraph(fmt::format("The longest of {} steps above {} times the median:",
                               slow_steps(run, run.steps.size()).size(), kSlowFactor)) +
         html_table(table);
}

}  // namespace

Section step_time_section(const RunRecord& run) {
  Section section{"step-time", "Step time", {}};
  if (run.steps.empty()) {
    section.body = absent("step lines in metrics.jsonl, which training writes.");
    return section;
  }
  section.body = step_timeline(run) +
                 histogram(values_of(run, &StepRecord::seconds), Unit::seconds, "step time",
                           "histogram of step times") +
                 slow_table(run);
  return section;
}

}  // namespace swallow
