// Long series made as wide as a picture: what lies within one column of pixels becomes its least
// value, greatest value and mean, so that no extreme is lost. And the quantiles of a series.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "report/axis.h"

namespace swallow {

struct CurveColumn {
  double x = 0;  // mean of the points' x
  double low = 0, mean = 0, high = 0;
  int64_t count = 0;
  bool apart = false;  // values that are not finite lie between it and the column before
};

/// The points of (x, y) within `range`, from left to right, in at most `columns` columns (one at
/// least); columns without a point are left out, and so are points that are not finite. x need not
/// be sorted. A series of no more points than columns keeps every point.
std::vector<CurveColumn> reduce_curve(std::span<const double> x, std::span<const double> y,
                                      Interval range, int columns);

/// From the least to the greatest finite value; {0, 1} when there is none.
Interval range_of(std::span<const double> values);
/// The smallest interval with both.
Interval joined(Interval a, Interval b);

/// What an axis had better show: range_of(), but at either end without the 1 % of values outside
/// when these would take more than two thirds of it.
Interval range_without_outliers(std::span<const double> values);

/// `range` with some room at its ends; from 0 on unless all of it lies far from 0, close together.
Interval with_room(Interval range);

/// The `fraction` quantile of the finite values, by the nearest rank; NaN without any.
double quantile(std::span<const double> values, double fraction);
/// Several at once, for the price of one sort.
std::vector<double> quantiles(std::span<const double> values, std::span<const double> fractions);

}  // namespace swallow
