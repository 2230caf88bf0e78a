#include "plan/record_file.h"

#include "base/check.h"
#include "config/config_json.h"
#include "config/value_text.h"
#include "plan/sourced_json.h"

namespace swallow {

RecordFile read_record_file(const std::string& path, const std::string& mode) {
  nlohmann::ordered_json json = read_json_file(path);
  const auto is = [&](const char* key, const std::string& value) {
    return json.contains(key) && json[key].is_string() && json[key].get<std::string>() == value;
  };
  if (!is("kind", "bench") || !is("mode", mode))
    throw ConfigError("{}: expected a record of bench --output of mode \"{}\"", printable(path),
                      mode);
  if (!json.contains("config")) throw ConfigError("{}: holds no \"config\"", printable(path));
  RunConfig config = config_from_json(json["config"].dump(), printable(path));
  return {std::move(json), std::move(config)};
}

}  // namespace swallow
