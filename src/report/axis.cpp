#include "report/axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <string_view>

#include "telemetry/number_text.h"

namespace swallow {

namespace {

constexpr double kMinute = 60, kHour = 3600, kDay = 86400;

struct Scale {
  double size;
  std::string_view suffix;
};

/// The largest scale that `largest` reaches, the first at least.
template <size_t kCount>
Scale pick(const std::array<Scale, kCount>& scales, double largest) {
  Scale chosen = scales[0];
  for (const Scale& scale : scales)
    if (largest >= scale.size) chosen = scale;
  return chosen;
}

constexpr std::array<Scale, 5> kCounts{{{1, ""}, {1e3, "K"}, {1e6, "M"}, {1e9, "B"}, {1e12, "T"}}};
constexpr std::array<Scale, 5> kBytes{
    {{1, " B"}, {1024, " KiB"}, {1048576, " MiB"}, {1073741824, " GiB"}, {1099511627776, " TiB"}}};
constexpr std::array<Scale, 6> kTimes{
    {{1e-6, " µs"}, {1e-3, " ms"}, {1, " s"}, {kMinute, " min"}, {kHour, " h"}, {kDay, " d"}}};

/// In which unit values up to `largest` are written.
Scale scale_of(double largest, Unit unit) {
  switch (unit) {
    case Unit::plain:
      break;
    case Unit::count:
      return pick(kCounts, largest);
    case Unit::bytes:
      return pick(kBytes, largest);
    case Unit::seconds:  // "90 s" reads better than "1.5 min", so a unit starts at its double
      return pick(kTimes, largest >= 2 * kMinute ? largest / 2 : std::min(largest, 59.0));
    case Unit::percent:
      return {0.01, " %"};
  }
  return {1, ""};
}

/// 1, 2 or 5 times a power of ten, not less than `least`.
double round_up(double least) {
  const double power = std::pow(10.0, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= least * (1 - 1e-9)) return factor * power;
  return 10 * power;
}

/// Steps between ticks that people count time in, in units of `scale`.
double time_step(double least, double scale) {
  if (scale == kMinute || scale == 1.0)
    for (const double step : {1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0})
      if (step >= least && least > 0.5) return step;
  if (scale == kHour)
    for (const double step : {0.25, 0.5, 1.0, 2.0, 3.0, 6.0, 12.0, 24.0})
      if (step >= least) return step;
  return round_up(least);
}

double round_step(double least, Unit unit, double scale) {
  const double step = unit == Unit::seconds ? time_step(least, scale) : round_up(least);
  const bool whole = (unit == Unit::count || unit == Unit::bytes) && scale == 1.0;
  return whole ? std::max(1.0, step) : step;
}

int decimals_of(double step) {
  int decimals = 0;
  for (double rest = step; decimals < 12 && std::abs(rest - std::round(rest)) > 1e-6 * rest;
       rest *= 10)
    ++decimals;
  return decimals;
}

std::string label_of(double scaled, double step, const Scale& scale) {
  if (std::abs(scaled) < step * 1e-6) return "0";
  const bool tiny = scale.size == 1.0 && (step < 1e-4 || std::abs(scaled) >= 1e6);
  if (tiny) return fmt::format("{:.3g}{}", scaled, scale.suffix);
  return fmt::format("{:.{}f}{}", scaled, decimals_of(step), scale.suffix);
}

std::string log_label(double value, Unit unit) {
  if (unit == Unit::plain)
    return value >= 1e-3 && value < 1e6 ? fmt::format("{:g}", value) : fmt::format("{:.0e}", value);
  const Scale scale = scale_of(value, unit);
  return fmt::format("{:g}{}", value / scale.size, scale.suffix);
}

/// Whether the ends are as good as one value: between them doubles run out before ticks do.
bool is_point(const Interval& range) {
  return !(range.length() > 1e-9 * std::max(std::abs(range.low), std::abs(range.high)));
}

std::tm fields_of(double moment) {
  const auto seconds = static_cast<std::time_t>(std::floor(moment));
  std::tm fields{};
  gmtime_r(&seconds, &fields);
  return fields;
}

}  // namespace

double PlotAxis::position(double value) const {
  if (logarithmic)
    return std::log(std::max(value, range.low * 1e-3) / range.low) /
           std::log(range.high / range.low);
  return (value - range.low) / range.length();
}

std::vector<Tick> round_ticks(Interval range, Unit unit, int most) {
  const double largest = std::max(std::abs(range.low), std::abs(range.high));
  const Scale scale = scale_of(largest, unit);
  if (is_point(range))
    return {{range.low, label_of(range.low / scale.size, range.low / scale.size, scale)}};
  const double low = range.low / scale.size;
  const double high = range.high / scale.size;
  double step = round_step((high - low) / std::max(1, most), unit, scale.size);
  const auto count = [&] {
    return std::floor(high / step * (1 + 1e-9)) - std::ceil(low / step * (1 - 1e-9)) + 1;
  };
  while (count() > most) step = round_step(step * 1.01, unit, scale.size);
  std::vector<Tick> ticks;
  const double first = std::ceil(low / step - 1e-9);
  for (double i = first; i * step <= high + step * 1e-9; ++i)
    ticks.push_back({i * step * scale.size, label_of(i * step, step, scale)});
  return ticks;
}

PlotAxis linear_axis(std::string title, Interval range, Unit unit, int most_ticks) {
  if (is_point(range)) {  // one value alone: room about it
    const double room = range.low == 0.0 ? 1.0 : std::abs(range.low) * 0.1;
    range = {range.low - (range.low > 0 ? room : 0), range.low + room};
  }
  return {std::move(title), range, false, round_ticks(range, unit, most_ticks)};
}

PlotAxis log_axis(std::string title, Interval range, Unit unit) {
  if (!(range.high > 0)) range.high = 1;
  if (!(range.low > 0)) range.low = range.high * 1e-6;
  if (range.high < range.low * 1.5) range = {range.low / 1.3, range.high * 1.3};
  PlotAxis axis{std::move(title), range, true, {}};
  const double decades = std::log10(range.high / range.low);
  constexpr int kMostTicks = 6;
  if (decades < 1) {  // 1, 2 and 5 alone would leave one or two
    axis.ticks = round_ticks(range, unit, kMostTicks);
    return axis;
  }
  const auto skip = std::max(1, static_cast<int>(std::ceil(decades / kMostTicks)));
  const int first = static_cast<int>(std::floor(std::log10(range.low)));
  for (int power = first; std::pow(10.0, power) <= range.high; ++power) {
    if (decades > 2 && (power - first) % skip != 0) continue;
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double value = factor * std::pow(10.0, power);
      if (decades > 2 && factor != 1.0) continue;
      if (value >= range.low * (1 - 1e-9) && value <= range.high * (1 + 1e-9))
        axis.ticks.push_back({value, log_label(value, unit)});
    }
  }
  return axis;
}

PlotAxis clock_axis(Interval range, int most_ticks) {
  if (!(range.length() >= 1)) range.high = range.low + 1;
  double step = 0;
  for (const double candidate :
       {1.0,         2.0,         5.0,          10.0,         30.0,      kMinute,
        2 * kMinute, 5 * kMinute, 10 * kMinute, 30 * kMinute, kHour,     2 * kHour,
        3 * kHour,   6 * kHour,   12 * kHour,   kDay,         2 * kDay,  7 * kDay,
        14 * kDay,   30 * kDay,   60 * kDay,    180 * kDay,   360 * kDay}) {
    step = candidate;
    if (range.length() / step <= most_ticks - 1) break;
  }
  PlotAxis axis{"", range, false, {}};
  std::string shown_day;
  for (double at = std::ceil(range.low / step) * step; at <= range.high; at += step) {
    const std::tm t = fields_of(at);
    const std::string day =
        fmt::format("{:04}-{:02}-{:02}", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday);
    std::string label = step >= kDay ? day : fmt::format("{:02}:{:02}", t.tm_hour, t.tm_min);
    if (step < kMinute) label += fmt::format(":{:02}", t.tm_sec);
    if (step < kDay && day != shown_day) label = fmt::format("{} {}", day, label);
    shown_day = day;
    axis.ticks.push_back({at, label});
  }
  return axis;
}

std::string value_text(double value, Unit unit) {
  if (!std::isfinite(value)) return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
  if (unit == Unit::count) return count_text(static_cast<int64_t>(std::llround(value)));
  if (unit == Unit::bytes) return bytes_text(static_cast<int64_t>(std::llround(value)));
  if (unit == Unit::seconds && value == 0.0) return "0 s";
  if (unit == Unit::seconds && value >= 2 * kMinute) return duration_text(value);
  const Scale scale = scale_of(std::abs(value), unit);
  const double scaled = value / scale.size;
  if (unit == Unit::percent) return fmt::format("{:.1f} %", scaled);
  // Three digits round to 1e+03 from here on.
  return fmt::format("{:.{}g}{}", scaled, std::abs(scaled) >= 999.5 ? 4 : 3, scale.suffix);
}

std::string moment_text(double moment) {
  const std::tm t = fields_of(moment);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                     t.tm_hour, t.tm_min);
}

}  // namespace swallow
