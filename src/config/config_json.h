// RunConfig as JSON, out and in: presets, the record beside the log, the record in checkpoints.
// One flat object; keys are the options' names in snake_case, so a recorded run is a preset too.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config/run_config.h"

namespace swallow {

inline constexpr size_t kMaxConfigBytes = size_t{1} << 20;
inline constexpr int kMaxConfigDepth = 64;

/// Every option in the order of the help, preceded by "preset"; reals read back to the same bits.
std::string config_json(const RunConfig& config);

/// 16 hexadecimal digits that tell one resolved configuration from another.
std::string config_digest(const RunConfig& config);

/// Sets the options that `text` names and returns their keys; the others keep their values.
/// A "description" is allowed and ignored. Throws ConfigError, naming `source` and the key, on text
/// over 1 MiB or nested deeper than 64, a duplicate or unknown key, a wrong type or value.
std::vector<std::string> apply_json(std::string_view text, const std::string& source,
                                    RunConfig& config);

/// apply_json on the built-in values.
RunConfig config_from_json(std::string_view text, const std::string& source);

}  // namespace swallow
