#include "telemetry/number_text.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string_view>

namespace swallow {
namespace {

std::string fit(const std::string& text, double value, int width) {
  if (!std::isfinite(value)) return fmt::format("{:>{}}", value, width);
  if (text.size() <= static_cast<size_t>(width)) return fmt::format("{:>{}}", text, width);
  return fmt::format("{:>{}}", fmt::format("{:.0e}", value), width);
}

}  // namespace

std::string fixed_text(double value, int width, int precision) {
  return fit(fmt::format("{:.{}f}", value, precision), value, width);
}

std::string significant_text(double value, int width) {
  return fit(fmt::format("{:.4g}", value), value, width);
}

std::string count_text(int64_t count) {
  constexpr std::array<std::string_view, 5> kUnits{"", "K", "M", "B", "T"};
  if (count < 1000) return fmt::format("{}", count);
  auto value = static_cast<double>(count);
  size_t unit = 0;
  // 999.95 would print as 1000.0: the next unit takes over before that.
  while (value >= 999.95 && unit + 1 < kUnits.size()) {
    value /= 1000.0;
    ++unit;
  }
  return fmt::format("{:.{}f}{}", value, value < 9.995 ? 2 : 1, kUnits[unit]);
}

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "-";
  if (seconds >= 1000.0 * 86400.0) return "> 999d";
  const auto total = std::llround(seconds);
  const auto days = total / 86400;
  const auto hours = total / 3600 % 24;
  if (days > 0) return fmt::format("{}d {:02}h", days, hours);
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, total / 60 % 60, total % 60);
  return fmt::format("{}:{:02}", total / 60, total % 60);
}

std::string bytes_text(int64_t bytes) {
  constexpr std::array<std::string_view, 5> kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1023.5 && unit + 1 < kUnits.size()) {
    value /= 1024.0;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", value, unit == 0 || value >= 99.5 ? 0 : 2, kUnits[unit]);
}

}  // namespace swallow
