// Axes: where a value stands between two ends, and marks at round values with units.
#pragma once

#include <string>
#include <vector>

namespace swallow {

struct Interval {
  double low = 0, high = 1;

  [[nodiscard]] double length() const noexcept { return high - low; }
};

/// What a number counts, which decides where round values are and how they are written.
enum class Unit {
  plain,    ///< 0.25, 300, 2e-05
  count,    ///< 250K, 1.5M, 2B
  seconds,  ///< 5 ms, 2 s, 30 min, 4 h, 3 d
  bytes,    ///< 512 MiB, 2 GiB
  percent,  ///< of a fraction: 25 %
};

struct Tick {
  double value = 0;
  std::string label;
};

struct PlotAxis {
  std::string title;  // may be empty
  Interval range;
  bool logarithmic = false;
  std::vector<Tick> ticks;

  /// 0 at the low end, 1 at the high end; values outside lie outside.
  [[nodiscard]] double position(double value) const;
};

/// Round values within `range`, at most `most` of them (2 or more), with labels that differ. A
/// range without a length has one.
std::vector<Tick> round_ticks(Interval range, Unit unit, int most);

PlotAxis linear_axis(std::string title, Interval range, Unit unit, int most_ticks);
/// For positive values over several orders of magnitude: ticks at powers of ten, or where there are
/// few of these at 1, 2 and 5 times such; over less than one order at round values. A low end that
/// is not positive is taken as a millionth of the high end.
PlotAxis log_axis(std::string title, Interval range, Unit unit);

/// Moments, in seconds since 1970 as a clock on the wall shows them (`Interval` of such): at round
/// hours or days, with the date where a day begins.
PlotAxis clock_axis(Interval range, int most_ticks);

/// One value with its unit, to three digits or so.
std::string value_text(double value, Unit unit);

/// "2026-03-07 14:05" of a moment as clock_axis takes it.
std::string moment_text(double moment);

}  // namespace swallow
