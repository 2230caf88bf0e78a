// Reads launcher variables and keeps a record of those that were used.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "launch/environment.h"

namespace swallow {

class VariableReader {
 public:
  VariableReader(const EnvironmentLookup& lookup, std::vector<LaunchEnvironment::Variable>& used)
      : lookup_(lookup), used_(used) {}

  /// Unset and empty are the same: shells make the one from the other. Not recorded.
  [[nodiscard]] std::optional<std::string> peek(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const { return peek(name).has_value(); }
  /// Recorded as used.
  std::optional<std::string> text(std::string_view name);
  /// A decimal integer in [low, high], all of the text; ConfigError otherwise. Recorded as used.
  std::optional<int> integer(std::string_view name, int low, int high);

 private:
  const EnvironmentLookup& lookup_;
  std::vector<LaunchEnvironment::Variable>& used_;
};

}  // namespace swallow
