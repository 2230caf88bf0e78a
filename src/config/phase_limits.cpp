#include "config/phase_limits.h"

#include <algorithm>

#include "base/check.h"
#include "config/value_text.h"

namespace swallow {

namespace {

constexpr std::array<std::string_view, kNumPhases> kNames{"setup", "first-step", "step",
                                                          "evaluation", "save"};

constexpr Range kMinutes{.low = 0, .high = 100'000};

Phase parse_phase(std::string_view text, std::string_view name) {
  const auto* found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end())
    throw ConfigError(
        "--phase-timeouts {}: expected phase=minutes, with commas; phases are {} (0: no limit)",
        printable(text), fmt::join(kNames, ", "));
  return static_cast<Phase>(found - kNames.begin());
}

}  // namespace

std::string_view name_of(Phase phase) {
  return kNames[static_cast<size_t>(phase)];
}

PhaseLimits parse_phase_limits(std::string_view text) {
  PhaseLimits limits;
  if (text.empty()) return limits;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const std::string_view item = text.substr(at, comma - at);
    const size_t equals = std::min(item.find('='), item.size());
    const Phase phase = parse_phase(text, item.substr(0, equals));
    const std::string_view value = item.substr(std::min(equals + 1, item.size()));
    const double minutes =
        parse_real(fmt::format("--phase-timeouts {}=", name_of(phase)), value, kMinutes);
    limits.set(phase, std::chrono::milliseconds(static_cast<int64_t>(minutes * 60'000)));
    at = comma + 1;
  }
  return limits;
}

}  // namespace swallow
