// One rectangle with two axes, and what may be drawn in it: curves, points, rules, bands.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "report/axis.h"
#include "report/curve.h"
#include "report/svg.h"

namespace swallow {

class Plot {
 public:
  /// `svg` must outlive the plot; `area` is inside the axes: labels need 64 pixels on its left and
  /// 36 below.
  Plot(SvgWriter& svg, Box area, PlotAxis x, PlotAxis y);

  enum class XLabels { none, shown };
  /// Grid, frame, tick labels and titles. Drawn first.
  void draw_frame(XLabels labels) const;
  /// A second scale on the right edge, for values that go along with those on the left.
  void draw_right_axis(const PlotAxis& axis) const;

  /// A line through the points in series `style`; where there are more points than pixels, the mean
  /// of each column of pixels within a light area from the least to the greatest. What lies
  /// beyond the y axis is marked at its end, with `name` and the value.
  void curve(std::span<const double> x, std::span<const double> y, size_t style,
             std::string_view name);
  /// A line of a class of its own through the means of the columns of pixels.
  void thin_curve(std::span<const double> x, std::span<const double> y, std::string_view css_class);
  void points(std::span<const double> x, std::span<const double> y, size_t style,
              std::span<const std::string> tips);
  /// From the bottom to the top, or from left to right.
  void vertical(double x, std::string_view css_class, std::string_view tip = {});
  void horizontal(double y, std::string_view css_class, std::string_view tip = {});
  /// A triangle on the upper edge, for what is not finite or has been withheld.
  void mark_above(double x, std::string_view css_class, std::string_view tip);

  [[nodiscard]] double to_x(double value) const {
    return area_.x + x_.position(value) * area_.width;
  }
  [[nodiscard]] double to_y(double value) const {
    return area_.bottom() - y_.position(value) * area_.height;
  }
  [[nodiscard]] const Box& area() const noexcept { return area_; }
  [[nodiscard]] const PlotAxis& x_axis() const noexcept { return x_; }
  [[nodiscard]] const PlotAxis& y_axis() const noexcept { return y_; }

 private:
  [[nodiscard]] double clamped_y(double value) const;
  void mark_outside(std::span<const CurveColumn> columns, std::string_view name);
  void draw_piece(std::span<const CurveColumn> columns, bool with_area, size_t style);

  SvgWriter& svg_;
  Box area_;
  PlotAxis x_, y_;
};

/// A row of short upright marks, such as saves, under a plot and on its x axis: `label` stands on
/// the left. Marks that fall on one pixel are drawn once.
struct MarkStrip {
  std::string label;
  std::string css_class;
  std::vector<Interval> marks;
};
void draw_strip(SvgWriter& svg, const Plot& plot, const MarkStrip& strip, double top);
inline constexpr double kStripHeight = 16;  // from one strip to the next

/// What a picture's lines, points and areas stand for.
struct LegendEntry {
  enum class Sample { line, point, area, dash };
  Sample sample = Sample::line;
  std::string css_class;
  std::string text;
};
/// Samples with their names from `at` on; further rows below where the picture's width ends.
void draw_legend(SvgWriter& svg, SvgPoint at, std::span<const LegendEntry> entries);
/// What the rows take, when they may be `width` wide.
double legend_height(std::span<const LegendEntry> entries, double width);

}  // namespace swallow
