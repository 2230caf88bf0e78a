#include "report/heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/curve.h"
#include "report/style.h"
#include "report/svg.h"

namespace swallow {

namespace {

using Anchor = SvgWriter::Anchor;

constexpr double kWidth = 960;
constexpr double kCellHeight = 34;
constexpr double kTop = 56;

Interval values_of(const HeatMap& map) {
  std::vector<double> values;
  for (const HeatRow& row : map.rows)
    for (const HeatCell& cell : row.cells) values.push_back(cell.value);
  return range_of(values);
}

/// 0 to kHeatSteps.
int step_of(double value, Interval range) {
  if (!(range.length() > 0)) return 0;
  return static_cast<int>(std::lround((value - range.low) / range.length() * kHeatSteps));
}

void draw_scale(SvgWriter& svg, const HeatMap& map, double left) {
  svg.text({left, 14}, map.scale_title);
  const double x = left + text_width(map.scale_title) + 14;
  svg.text({x, 14}, map.low_text, Anchor::start, "soft");
  const double from = x + text_width(map.low_text) + 8;
  for (int step = 0; step <= kHeatSteps; ++step)
    svg.rect({from + 14.0 * step, 3, 14, 13}, fmt::format("heat{}", step));
  svg.text({from + 14 * (kHeatSteps + 1) + 8, 14}, map.high_text, Anchor::start, "soft");
}

void draw_cell(SvgWriter& svg, const HeatCell& cell, Box box, Interval range) {
  const bool known = std::isfinite(cell.value);
  const int step = known ? step_of(cell.value, range) : 0;
  svg.rect(box, known ? fmt::format("cell heat{}", step) : "cell shade", cell.tip);
  if (box.width >= text_width(cell.text) + 6)
    svg.text({box.x + box.width / 2, box.y + box.height / 2 + 4}, cell.text, Anchor::middle,
             step > kHeatSteps / 2 ? "on-dark small" : "small");
  if (!cell.marked) return;
  svg.rect({box.x + 2, box.y + 2, box.width - 4, box.height - 4}, "alarm", cell.tip);
  svg.text({box.right() - 9, box.y + 13}, "!", Anchor::middle, "alarm-text halo");
}

}  // namespace

SvgWriter heat_map(const HeatMap& map) {
  double left = 60;
  for (const HeatRow& row : map.rows) left = std::max(left, text_width(row.label) + 14);
  const auto columns = static_cast<double>(std::max<size_t>(1, map.columns.size()));
  const double cell_width = std::min(110.0, (kWidth - left - 2) / columns);
  SvgWriter svg(kWidth, kTop + kCellHeight * static_cast<double>(map.rows.size()) + 6);
  const Interval range = values_of(map);
  draw_scale(svg, map, left);
  for (size_t column = 0; column < map.columns.size(); ++column)
    svg.text({left + cell_width * (static_cast<double>(column) + 0.5), kTop - 8},
             map.columns[column], Anchor::middle, "soft");
  for (size_t row = 0; row < map.rows.size(); ++row) {
    const double y = kTop + kCellHeight * static_cast<double>(row);
    svg.text({left - 8, y + kCellHeight / 2 + 4}, map.rows[row].label, Anchor::end);
    for (size_t i = 0; i < map.rows[row].cells.size(); ++i)
      draw_cell(svg, map.rows[row].cells[i],
                {left + cell_width * static_cast<double>(i), y, cell_width, kCellHeight}, range);
  }
  return svg;
}

}  // namespace swallow
