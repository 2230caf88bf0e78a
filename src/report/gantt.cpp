#include "report/gantt.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "report/plot.h"
#include "report/svg.h"

namespace swallow {

namespace {

using Anchor = SvgWriter::Anchor;

constexpr double kWidth = 960;
constexpr double kLeft = 64;
constexpr double kRight = 16;
constexpr double kLegend = 24;
constexpr double kTitle = 24;
constexpr double kBetween = 12;
constexpr double kAxis = 40;

int rows_of(std::span<const GanttBar> bars) {
  int rows = 0;
  for (const GanttBar& bar : bars) rows = std::max(rows, bar.row + 1);
  return rows;
}

double row_height(int rows) {
  return rows <= 8 ? 26 : rows <= 16 ? 20 : 14;
}

double height_of(const GanttChart& chart) {
  const int rows = rows_of(chart.bars);
  return kTitle + rows * row_height(rows);
}

std::string_view name_of(GanttBar::Kind kind) {
  return kind == GanttBar::Kind::forward ? "forward" : "backward";
}

void draw_chart(SvgWriter& svg, const GanttChart& chart, Unit unit, const PlotAxis& axis,
                double top) {
  const int rows = rows_of(chart.bars);
  const double row = row_height(rows);
  const Interval span = time_of(chart.bars);
  svg.text({kLeft, top + 15}, chart.title, Anchor::start, "strong");
  const Plot plot(svg, {kLeft, top + kTitle, kWidth - kLeft - kRight, rows * row}, axis,
                  {"", {0, static_cast<double>(rows)}, false, {}});
  plot.draw_frame(Plot::XLabels::none);
  for (int stage = 0; stage < rows; ++stage)
    svg.text({kLeft - 8, top + kTitle + row * (stage + 0.5) + 4}, fmt::format("stage {}", stage),
             Anchor::end);
  for (const GanttBar& bar : chart.bars) {
    const double left = plot.to_x(bar.begin - span.low);
    const Box box{left, top + kTitle + row * bar.row + 2,
                  std::max(0.5, plot.to_x(bar.end - span.low) - left), row - 4};
    const bool narrow = box.width < 4;  // its outline would be all of it
    svg.rect(box, fmt::format("{}{}", name_of(bar.kind), narrow ? " narrow" : ""),
             fmt::format("stage {}, {} of micro-batch {}: {}", bar.row, name_of(bar.kind),
                         bar.microbatch, value_text(bar.end - bar.begin, unit)));
    const std::string number = fmt::format("{}", bar.microbatch);
    if (box.width >= text_width(number) + 2)
      svg.text({box.x + box.width / 2, box.y + box.height / 2 + 4}, number, Anchor::middle,
               bar.kind == GanttBar::Kind::forward ? "on-forward small" : "on-backward small");
  }
}

}  // namespace

Interval time_of(std::span<const GanttBar> bars) {
  if (bars.empty()) return {0, 0};
  Interval time{bars[0].begin, bars[0].end};
  for (const GanttBar& bar : bars)
    time = {std::min(time.low, bar.begin), std::max(time.high, bar.end)};
  return time;
}

std::string gantt_title(std::string_view what, std::span<const GanttBar> bars, Unit unit) {
  return fmt::format("{}: {} for the step, bubble {:.1f} %", what,
                     value_text(time_of(bars).length(), unit), 100 * bubble_share(bars));
}

std::vector<GanttBar> cut_bars(std::span<const GanttBar> bars, Interval time) {
  std::vector<GanttBar> cut;
  for (GanttBar bar : bars) {
    bar.begin = std::max(bar.begin, time.low);
    bar.end = std::min(bar.end, time.high);
    if (bar.begin < bar.end) cut.push_back(bar);
  }
  return cut;
}

double bubble_share(std::span<const GanttBar> bars) {
  std::set<int> rows;
  double busy = 0;
  for (const GanttBar& bar : bars) {
    rows.insert(bar.row);
    busy += bar.end - bar.begin;
  }
  const double all = time_of(bars).length() * static_cast<double>(rows.size());
  return all > 0 ? std::max(0.0, 1 - busy / all) : 0;
}

SvgWriter draw_gantt(std::span<const GanttChart> charts, Unit unit, std::string_view axis_title) {
  double height = kLegend + kAxis;
  double longest = 0;
  for (const GanttChart& chart : charts) {
    height += height_of(chart) + kBetween;
    longest = std::max(longest, time_of(chart.bars).length());
  }
  SvgWriter svg(kWidth, height);
  const std::vector<LegendEntry> legend{
      {LegendEntry::Sample::area, "forward", "forward of the micro-batch with this number"},
      {LegendEntry::Sample::area, "backward", "its backward"}};
  draw_legend(svg, {kLeft, 15}, legend);
  const PlotAxis axis = linear_axis(std::string(axis_title), {0, longest}, unit, 9);
  double top = kLegend;
  for (const GanttChart& chart : charts) {
    draw_chart(svg, chart, unit, axis, top);
    top += height_of(chart) + kBetween;
  }
  const double bottom = top - kBetween;
  for (const Tick& tick : axis.ticks)
    svg.text({kLeft + axis.position(tick.value) * (kWidth - kLeft - kRight), bottom + 16},
             tick.label, Anchor::middle, "soft");
  svg.text({kLeft + (kWidth - kLeft - kRight) / 2, bottom + 33}, axis_title, Anchor::middle);
  return svg;
}

}  // namespace swallow
