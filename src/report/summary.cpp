#include "report/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "config/value_text.h"
#include "report/curve.h"
#include "report/overview.h"
#include "report/series.h"
#include "telemetry/table.h"

namespace swallow {

namespace {

constexpr size_t kSparks = 60;

}  // namespace

std::string sparkline(std::span<const double> values) {
  constexpr std::array<std::string_view, 8> kHeights{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const Interval range = range_of(values);
  std::string line;
  for (const double value : values) {
    if (!std::isfinite(value)) {
      line += "×";
      continue;
    }
    const double height = range.length() > 0 ? (value - range.low) / range.length() * 8 : 0;
    line += kHeights[static_cast<size_t>(std::clamp(height, 0.0, 7.0))];
  }
  return line;
}

std::string terminal_summary(const RunRecord& run) {
  TextTable table{.title = printable(run.name), .header = {}, .rows = {}};
  const Series losses = over_tokens(run, &StepRecord::loss);
  const size_t count = std::min(kSparks, losses.y.size());
  const auto last = std::span(losses.y).last(count);
  if (count > 0) {
    const Interval range = range_of(last);
    table.rows.push_back({fmt::format("last {} losses", count), sparkline(last)});
    table.rows.push_back({"", fmt::format("{:.4f} to {:.4f}", range.low, range.high)});
  }
  for (const auto& [name, value] : run_facts(run))
    if (value != "-") table.rows.push_back({name, printable(value)});
  for (const auto& [damage, file] :
       {std::pair(&run.damage, "metrics.jsonl"), std::pair(&run.attempts.damage, "attempts.jsonl")})
    if (const std::string text = damage_text(*damage, file); !text.empty())
      table.rows.push_back({"damage", text});
  return table.text();
}

}  // namespace swallow
