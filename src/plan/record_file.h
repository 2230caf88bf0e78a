// A record that `bench --output` wrote.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "config/run_config.h"

namespace swallow {

struct RecordFile {
  nlohmann::ordered_json json;
  RunConfig config;
};

/// Throws ConfigError when the file is no such record, or not of this mode ("ops", "step").
[[nodiscard]] RecordFile read_record_file(const std::string& path, const std::string& mode);

}  // namespace swallow
