#include "report/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/style.h"

namespace swallow {

namespace {

using Anchor = SvgWriter::Anchor;

constexpr double kBetweenMarks = 12;  // pixels
constexpr double kLegendRow = 20;

std::vector<SvgPoint> triangle_down(SvgPoint tip) {
  return {{tip.x - 4, tip.y - 7}, {tip.x + 4, tip.y - 7}, tip};
}

std::vector<SvgPoint> triangle_up(SvgPoint tip) {
  return {{tip.x - 3.5, tip.y + 6}, {tip.x + 3.5, tip.y + 6}, tip};
}

double entry_width(const LegendEntry& entry) {
  return 29 + text_width(entry.text);
}

}  // namespace

Plot::Plot(SvgWriter& svg, Box area, PlotAxis x, PlotAxis y)
    : svg_(svg), area_(area), x_(std::move(x)), y_(std::move(y)) {}

void Plot::draw_frame(XLabels labels) const {
  for (const Tick& tick : y_.ticks) {
    const double y = to_y(tick.value);
    svg_.line({area_.x, y}, {area_.right(), y}, "grid");
    svg_.text({area_.x - 6, y + 4}, tick.label, Anchor::end, "soft");
  }
  for (const Tick& tick : x_.ticks) {
    const double x = to_x(tick.value);
    svg_.line({x, area_.y}, {x, area_.bottom()}, "grid");
    if (labels == XLabels::none) continue;
    // A label at the right end would leave the picture.
    const bool late = x + text_width(tick.label) / 2 > svg_.width() - 2;
    svg_.text({late ? svg_.width() - 2 : x, area_.bottom() + 16}, tick.label,
              late ? Anchor::end : Anchor::middle, "soft");
  }
  svg_.rect(area_, "frame");
  if (labels == XLabels::shown && !x_.title.empty())
    svg_.text({area_.x + area_.width / 2, area_.bottom() + 32}, x_.title, Anchor::middle);
  if (!y_.title.empty()) svg_.upright_text({12, area_.y + area_.height / 2}, y_.title);
}

void Plot::draw_right_axis(const PlotAxis& axis) const {
  for (const Tick& tick : axis.ticks) {
    const double y = area_.bottom() - axis.position(tick.value) * area_.height;
    svg_.line({area_.right(), y}, {area_.right() + 4, y}, "axis");
    svg_.text({area_.right() + 7, y + 4}, tick.label, Anchor::start, "soft");
  }
  svg_.upright_text({svg_.width() - 5, area_.y + area_.height / 2}, axis.title);
}

double Plot::clamped_y(double value) const {
  return std::clamp(to_y(value), area_.y, area_.bottom());
}

void Plot::curve(std::span<const double> x, std::span<const double> y, size_t style,
                 std::string_view name) {
  const auto columns = reduce_curve(x, y, x_.range, static_cast<int>(area_.width));
  const bool many = std::any_of(columns.begin(), columns.end(),
                                [](const CurveColumn& column) { return column.count > 1; });
  for (auto begin = columns.begin(); begin != columns.end();) {
    const auto end = std::find_if(begin + 1, columns.end(),
                                  [](const CurveColumn& column) { return column.apart; });
    draw_piece({begin, end}, many, style);
    begin = end;
  }
  mark_outside(columns, name);
}

/// At most one mark in a few pixels, at either end of the axis.
void Plot::mark_outside(std::span<const CurveColumn> columns, std::string_view name) {
  double last_above = -kBetweenMarks;
  double last_below = -kBetweenMarks;
  for (const CurveColumn& column : columns) {
    const double x = to_x(column.x);
    if (column.high > y_.range.high && x - last_above >= kBetweenMarks) {
      last_above = x;
      svg_.polygon(triangle_up({x, area_.y + 1}), "alarm-fill",
                   fmt::format("{}: {:.4g}, above the axis", name, column.high));
    }
    if (column.low < y_.range.low && x - last_below >= kBetweenMarks) {
      last_below = x;
      svg_.polygon(triangle_down({x, area_.bottom() - 1}), "alarm-fill",
                   fmt::format("{}: {:.4g}, below the axis", name, column.low));
    }
  }
}

/// Columns that belong together.
void Plot::draw_piece(std::span<const CurveColumn> columns, bool with_area, size_t style) {
  std::vector<SvgPoint> line;
  std::vector<SvgPoint> outline;
  for (const CurveColumn& column : columns) {
    line.push_back({to_x(column.x), clamped_y(column.mean)});
    outline.push_back({to_x(column.x), clamped_y(column.high)});
  }
  for (auto it = columns.rbegin(); it != columns.rend(); ++it)
    outline.push_back({to_x(it->x), clamped_y(it->low)});
  if (with_area) svg_.polygon(outline, area_class(style));
  svg_.polyline(line, line_class(style));
  if (line.size() == 1) svg_.circle(line[0], 1.5, point_class(style));
}

void Plot::thin_curve(std::span<const double> x, std::span<const double> y,
                      std::string_view css_class) {
  const Interval range = range_of(x);
  const double pixels = std::clamp(to_x(range.high) - to_x(range.low), 1.0, area_.width);
  std::vector<SvgPoint> line;
  for (const CurveColumn& column : reduce_curve(x, y, range, static_cast<int>(pixels)))
    line.push_back({to_x(column.x), clamped_y(column.mean)});
  svg_.polyline(line, css_class);
}

void Plot::points(std::span<const double> x, std::span<const double> y, size_t style,
                  std::span<const std::string> tips) {
  for (size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i]) || !std::isfinite(y[i])) continue;
    svg_.circle({to_x(x[i]), clamped_y(y[i])}, 3.2, point_class(style),
                i < tips.size() ? tips[i] : "");
  }
}

void Plot::vertical(double x, std::string_view css_class, std::string_view tip) {
  svg_.line({to_x(x), area_.y}, {to_x(x), area_.bottom()}, css_class, tip);
}

void Plot::horizontal(double y, std::string_view css_class, std::string_view tip) {
  svg_.line({area_.x, clamped_y(y)}, {area_.right(), clamped_y(y)}, css_class, tip);
}

void Plot::mark_above(double x, std::string_view css_class, std::string_view tip) {
  svg_.polygon(triangle_down({to_x(x), area_.y + 8}), css_class, tip);
}

void draw_strip(SvgWriter& svg, const Plot& plot, const MarkStrip& strip, double top) {
  const Box& area = plot.area();
  svg.text({area.x - 6, top + 10}, strip.label, Anchor::end, "soft small");
  svg.rect({area.x, top + 1, area.width, kStripHeight - 4}, "shade");
  const double room = area.width / static_cast<double>(std::max<size_t>(1, strip.marks.size()));
  const double least = room > 6 ? 2 : 0.6;
  double covered = -1;
  for (const Interval& mark : strip.marks) {
    const double left = std::clamp(plot.to_x(mark.low), area.x, area.right());
    const double right =
        std::clamp(plot.to_x(mark.high), std::min(left + least, area.right()), area.right());
    if (right <= covered) continue;
    svg.rect({left, top + 1, right - left, kStripHeight - 4}, strip.css_class);
    covered = right;
  }
}

void draw_legend(SvgWriter& svg, SvgPoint at, std::span<const LegendEntry> entries) {
  const double left = at.x;
  for (const LegendEntry& entry : entries) {
    if (at.x > left && at.x + entry_width(entry) > svg.width()) at = {left, at.y + kLegendRow};
    const double middle = at.y - 4;
    switch (entry.sample) {
      case LegendEntry::Sample::line:
        svg.line({at.x, middle}, {at.x + 24, middle}, entry.css_class);
        break;
      case LegendEntry::Sample::point:
        svg.circle({at.x + 12, middle}, 3.2, entry.css_class);
        break;
      case LegendEntry::Sample::area:
        svg.rect({at.x + 6, middle - 5, 14, 10}, entry.css_class);
        break;
      case LegendEntry::Sample::dash:
        svg.line({at.x + 12, middle - 6}, {at.x + 12, middle + 6}, entry.css_class);
        break;
    }
    svg.text({at.x + 29, at.y}, entry.text);
    at.x += entry_width(entry) + 18;
  }
}

double legend_height(std::span<const LegendEntry> entries, double width) {
  double rows = 1;
  double x = 0;
  for (const LegendEntry& entry : entries) {
    if (x > 0 && x + entry_width(entry) > width) {
      ++rows;
      x = 0;
    }
    x += entry_width(entry) + 18;
  }
  return rows * kLegendRow + 4;
}

}  // namespace swallow
