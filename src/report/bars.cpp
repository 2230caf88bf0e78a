#include "report/bars.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "report/plot.h"
#include "report/style.h"

namespace swallow {

namespace {

constexpr double kWidth = 960;
constexpr double kRowHeight = 30;
constexpr double kBarHeight = 20;
constexpr double kRight = 24;

std::vector<LegendEntry> legend_of(const std::vector<std::string>& parts) {
  std::vector<LegendEntry> entries;
  for (size_t i = 0; i < parts.size(); ++i)
    entries.push_back({LegendEntry::Sample::area, fill_class(i), parts[i]});
  return entries;
}

double total(const StackedBar& bar) {
  return std::accumulate(bar.parts.begin(), bar.parts.end(), 0.0);
}

}  // namespace

std::string stacked_bars(const StackedBars& chart, std::string_view label) {
  const std::vector<LegendEntry> legend = legend_of(chart.parts);
  double widest_label = 0;
  double most = 0;
  for (const StackedBar& bar : chart.bars) {
    widest_label = std::max(widest_label, text_width(bar.label));
    most = std::max({most, total(bar), bar.mark});
  }
  const double left = widest_label + 12;
  const double top = legend_height(legend, kWidth) + 4;
  const double height = kRowHeight * static_cast<double>(chart.bars.size());
  SvgWriter svg(kWidth, top + height + (chart.title.empty() ? 24 : 40));
  draw_legend(svg, {0, 14}, legend);
  const Plot plot(svg, {left, top, kWidth - left - kRight, height},
                  linear_axis(chart.title, {0, most > 0 ? most * 1.02 : 1}, chart.unit, 9),
                  {"", {0, 1}, false, {}});
  plot.draw_frame(Plot::XLabels::shown);
  for (size_t i = 0; i < chart.bars.size(); ++i) {
    const StackedBar& bar = chart.bars[i];
    const double y = top + kRowHeight * static_cast<double>(i) + (kRowHeight - kBarHeight) / 2;
    svg.text({left - 8, y + 14}, bar.label, SvgWriter::Anchor::end);
    double sum = 0;
    for (size_t part = 0; part < bar.parts.size(); ++part) {
      if (!(bar.parts[part] > 0)) continue;
      const double x = plot.to_x(sum);
      sum += bar.parts[part];
      svg.rect({x, y, plot.to_x(sum) - x, kBarHeight}, fill_class(part),
               fmt::format("{}, {}: {}", bar.label, chart.parts[part],
                           value_text(bar.parts[part], chart.unit)));
    }
    if (bar.mark > 0)
      svg.rect({plot.to_x(bar.mark) - 1, y - 4, 2.5, kBarHeight + 8}, "tick-mark", bar.mark_tip);
  }
  return svg.element(label);
}

}  // namespace swallow
