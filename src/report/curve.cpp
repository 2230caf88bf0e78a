#include "report/curve.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace swallow {

namespace {

std::vector<double> sorted_finite(std::span<const double> values) {
  std::vector<double> sorted;
  sorted.reserve(values.size());
  for (const double value : values)
    if (std::isfinite(value)) sorted.push_back(value);
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

double nearest_rank(const std::vector<double>& sorted, double fraction) {
  if (sorted.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double rank = std::ceil(fraction * static_cast<double>(sorted.size())) - 1;
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<size_t>(std::clamp(rank, 0.0, last))];
}

void add(CurveColumn& column, double x, double y) {
  const auto count = static_cast<double>(++column.count);
  column.low = column.count == 1 ? y : std::min(column.low, y);
  column.high = column.count == 1 ? y : std::max(column.high, y);
  column.x += (x - column.x) / count;
  column.mean += (y - column.mean) / count;
}

/// Columns without a finite value out; what they lay between is apart.
std::vector<CurveColumn> without_gaps(std::vector<CurveColumn> columns) {
  bool gap = false;
  for (CurveColumn& column : columns) {
    column.apart = gap && column.count > 0;
    gap = column.count == 0;
  }
  std::erase_if(columns, [](const CurveColumn& column) { return column.count == 0; });
  return columns;
}

}  // namespace

std::vector<CurveColumn> reduce_curve(std::span<const double> x, std::span<const double> y,
                                      Interval range, int columns) {
  SWALLOW_CHECK(x.size() == y.size() && columns >= 1, "{} x, {} y, {} columns", x.size(), y.size(),
                columns);
  const auto inside = [&](size_t i) {
    return std::isfinite(x[i]) && x[i] >= range.low && x[i] <= range.high;
  };
  size_t count = 0;
  for (size_t i = 0; i < x.size(); ++i) count += inside(i) ? 1 : 0;
  std::vector<CurveColumn> reduced;
  if (count <= static_cast<size_t>(columns)) {
    for (size_t i = 0; i < x.size(); ++i)
      if (inside(i))
        reduced.push_back({.x = x[i],
                           .low = y[i],
                           .mean = y[i],
                           .high = y[i],
                           .count = std::isfinite(y[i]) ? 1 : 0});
    std::stable_sort(reduced.begin(), reduced.end(),
                     [](const CurveColumn& a, const CurveColumn& b) { return a.x < b.x; });
    return without_gaps(std::move(reduced));
  }
  reduced.resize(static_cast<size_t>(columns));
  std::vector<bool> visited(reduced.size(), false);
  const double per_x = range.length() > 0 ? columns / range.length() : 0.0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!inside(i)) continue;
    const auto column = static_cast<size_t>((x[i] - range.low) * per_x);
    const size_t index = std::min(column, reduced.size() - 1);
    visited[index] = true;
    if (std::isfinite(y[i])) add(reduced[index], x[i], y[i]);
  }
  std::vector<CurveColumn> kept;
  for (size_t i = 0; i < reduced.size(); ++i)
    if (visited[i]) kept.push_back(reduced[i]);
  return without_gaps(std::move(kept));
}

Interval range_of(std::span<const double> values) {
  Interval range{std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    range.low = std::min(range.low, value);
    range.high = std::max(range.high, value);
  }
  return range.low <= range.high ? range : Interval{0, 1};
}

Interval joined(Interval a, Interval b) {
  return {std::min(a.low, b.low), std::max(a.high, b.high)};
}

Interval range_without_outliers(std::span<const double> values) {
  const std::vector<double> sorted = sorted_finite(values);
  if (sorted.empty()) return {0, 1};
  const Interval middle{nearest_rank(sorted, 0.01), nearest_rank(sorted, 0.99)};
  Interval range{sorted.front(), sorted.back()};
  if (!(middle.length() > 0)) return range;
  if (range.high - middle.high > 2 * middle.length())
    range.high = middle.high + 0.3 * middle.length();
  if (middle.low - range.low > 2 * middle.length()) range.low = middle.low - 0.3 * middle.length();
  return range;
}

Interval with_room(Interval range) {
  const double room = 0.05 * range.length();
  const bool far = range.low > 2 * range.length();
  return {far ? range.low - room : 0, range.high + (room > 0 ? room : 0.05 * range.high)};
}

double quantile(std::span<const double> values, double fraction) {
  return nearest_rank(sorted_finite(values), fraction);
}

std::vector<double> quantiles(std::span<const double> values, std::span<const double> fractions) {
  const std::vector<double> sorted = sorted_finite(values);
  std::vector<double> found;
  for (const double fraction : fractions) found.push_back(nearest_rank(sorted, fraction));
  return found;
}

}  // namespace swallow
