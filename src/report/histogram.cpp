#include "report/histogram.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "report/curve.h"
#include "report/plot.h"
#include "report/style.h"

namespace swallow {

namespace {

constexpr int kBins = 60;
constexpr Box kArea{72, 30, 864, 150};

}  // namespace

HistogramBins count_values(std::span<const double> values, int bins) {
  HistogramBins result{range_without_outliers(values), {}, 0, 0};
  if (!(result.range.length() > 0))
    result.range = {result.range.low * 0.95, result.range.low * 1.05};
  if (!(result.range.length() > 0)) result.range = {0, 1};
  result.counts.assign(static_cast<size_t>(bins), 0);
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    const double at = (value - result.range.low) / result.range.length() * bins;
    ++result.counts[static_cast<size_t>(std::clamp(at, 0.0, bins - 1.0))];
    if (value > result.range.high) ++result.above;
    if (value < result.range.low) ++result.below;
  }
  return result;
}

std::string histogram(std::span<const double> values, Unit unit, std::string_view title,
                      std::string_view label) {
  const HistogramBins bins = count_values(values, kBins);
  const auto most = static_cast<double>(*std::max_element(bins.counts.begin(), bins.counts.end()));
  SvgWriter svg(960, kArea.bottom() + 40);
  Plot plot(svg, kArea, linear_axis(std::string(title), bins.range, unit, 10),
            linear_axis("steps", {0, std::max(1.0, most * 1.05)}, Unit::count, 5));
  plot.draw_frame(Plot::XLabels::shown);
  const double width = bins.range.length() / kBins;
  for (size_t i = 0; i < bins.counts.size(); ++i) {
    if (bins.counts[i] == 0) continue;
    const double from = bins.range.low + width * static_cast<double>(i);
    const double top = plot.to_y(static_cast<double>(bins.counts[i]));
    const int64_t outside = i == 0 ? bins.below : i + 1 == bins.counts.size() ? bins.above : 0;
    svg.rect({plot.to_x(from) + 0.5, top, kArea.width / kBins - 1, kArea.bottom() - top},
             fill_class(outside > 0 ? 1 : 0),
             outside > 0
                 ? fmt::format("{} steps, {} of them beyond the axis", bins.counts[i], outside)
                 : fmt::format("{} to {}: {} steps", value_text(from, unit),
                               value_text(from + width, unit), bins.counts[i]));
  }
  constexpr std::array kFractions{0.05, 0.5, 0.95};
  constexpr std::array<std::string_view, 3> kNames{"5 %", "median", "95 %"};
  constexpr std::array<std::string_view, 3> kClasses{"limit", "centre", "restart"};
  const std::vector<double> marks = quantiles(values, kFractions);
  std::vector<LegendEntry> legend;
  for (size_t i = 0; i < marks.size(); ++i) {
    const std::string text = fmt::format("{} {}", kNames[i], value_text(marks[i], unit));
    plot.vertical(std::clamp(marks[i], bins.range.low, bins.range.high), kClasses[i], text);
    legend.push_back({LegendEntry::Sample::dash, std::string(kClasses[i]), text});
  }
  if (bins.below + bins.above > 0)
    legend.push_back({LegendEntry::Sample::area, fill_class(1),
                      fmt::format("with {} beyond the axis, {} to {}", bins.below + bins.above,
                                  value_text(range_of(values).low, unit),
                                  value_text(range_of(values).high, unit))});
  draw_legend(svg, {kArea.x, 16}, legend);
  return svg.element(label);
}

}  // namespace swallow
