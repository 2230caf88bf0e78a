// Presets: JSON files that set options by name; see config_json.h for the format.
#pragma once

#include <string>
#include <vector>

#include "config/run_config.h"

namespace swallow {

/// The folder that preset names are looked up in: $SWALLOW_PRESETS, else
/// share/swallow-train/presets beside an installed binary, else presets/ of the source tree that it
/// was built from.
std::string preset_folder();

/// Names of the presets in that folder, sorted.
std::vector<std::string> preset_names();

/// Applies a preset to `config` and returns the keys it sets. `preset` is a name, or a path when it
/// holds a slash or ends in ".json". Throws ConfigError.
std::vector<std::string> apply_preset(const std::string& preset, RunConfig& config);

}  // namespace swallow
