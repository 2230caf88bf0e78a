#include "config/config_json.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/philox.h"
#include "config/fields.h"
#include "config/nearest_name.h"
#include "config/value_text.h"

namespace swallow {
namespace {

using Json = nlohmann::ordered_json;

// The library keeps the last of two equal keys and nests without bound; both are refused while
// parsing, before anything deep is built.
Json parse_strict(std::string_view text, const std::string& source) {
  if (text.size() > kMaxConfigBytes)
    throw ConfigError("{}: {} bytes of JSON; at most {} are accepted", source, text.size(),
                      kMaxConfigBytes);
  std::vector<std::set<std::string>> open_objects;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    if ((event == Event::object_start || event == Event::array_start) && depth >= kMaxConfigDepth)
      throw ConfigError("{}: JSON nested deeper than {}", source, kMaxConfigDepth);
    if (event == Event::object_start) open_objects.emplace_back();
    if (event == Event::object_end) open_objects.pop_back();
    if (event == Event::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!open_objects.back().insert(key).second)
        throw ConfigError("{}: key \"{}\" is given twice", source, printable(key));
    }
    return true;
  };
  try {
    return Json::parse(text, watch);
  } catch (const Json::exception& error) {
    throw ConfigError("{}: not valid JSON: {}", source, printable(error.what()));
  }
}

[[noreturn]] void refuse_type(const std::string& where, const Json& value,
                              std::string_view expected) {
  const std::string text = value.is_structured()
                               ? value.type_name()
                               : value.dump(-1, ' ', false, Json::error_handler_t::replace);
  throw ConfigError("{}{}: expected {}", where, printable(text), expected);
}

void read(const Json& value, const std::string& where, const FieldInfo& info, int64_t& out) {
  const bool fits = value.is_number_integer() &&
                    (!value.is_number_unsigned() ||
                     value.get<uint64_t>() <= uint64_t{std::numeric_limits<int64_t>::max()});
  if (!fits) refuse_type(where, value, "a whole number, " + describe(info.range));
  out = value.get<int64_t>();
  check_range(where, out, info.range);
}

void read(const Json& value, const std::string& where, const FieldInfo& info, double& out) {
  if (!value.is_number()) refuse_type(where, value, "a number, " + describe(info.range));
  out = value.get<double>();
  check_range(where, out, info.range);
}

void read(const Json& value, const std::string& where, const FieldInfo& /*info*/, bool& out) {
  if (!value.is_boolean()) refuse_type(where, value, "true or false");
  out = value.get<bool>();
}

void read(const Json& value, const std::string& where, const FieldInfo& /*info*/,
          std::string& out) {
  if (!value.is_string()) refuse_type(where, value, "a string");
  const auto& text = value.get_ref<const std::string&>();
  out = text.empty() ? text : parse_text(where, text);  // empty: the option is off
}

void read(const Json& value, const std::string& where, const FieldInfo& /*info*/,
          std::vector<std::string>& out) {
  if (!value.is_array()) refuse_type(where, value, "a list of strings");
  out.clear();
  for (const Json& item : value) {
    if (!item.is_string()) refuse_type(where, item, "strings in the list");
    out.push_back(parse_text(where, item.get_ref<const std::string&>()));
  }
}

template <class E>
requires std::is_enum_v<E>
void read(const Json& value, const std::string& where, const FieldInfo& /*info*/, E& out) {
  if (!value.is_string()) refuse_type(where, value, "one of " + names_of_all<E>());
  out = parse_enum<E>(where, value.get_ref<const std::string&>());
}

template <class T>
Json to_json_value(const T& value) {
  if constexpr (std::is_enum_v<T>)
    return std::string(name_of(value));
  else
    return value;
}

}  // namespace

std::string config_json(const RunConfig& config) {
  Json json;
  json["preset"] = config.preset;
  visit_fields(config, [&](const auto& member, const FieldInfo& info) {
    json[std::string(info.key)] = to_json_value(member);
  });
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string config_digest(const RunConfig& config) {
  return fmt::format("{:016x}", stream_of(config_json(config)));
}

std::vector<std::string> apply_json(std::string_view text, const std::string& source,
                                    RunConfig& config) {
  const Json json = parse_strict(text, source);
  if (!json.is_object())
    throw ConfigError("{}: expected a JSON object, found {}", source, json.type_name());
  std::vector<std::string> known{"description", "preset"};
  std::vector<std::string> set;
  visit_fields(config, [&](auto& member, const FieldInfo& info) {
    const std::string key(info.key);
    known.push_back(key);
    const auto found = json.find(key);
    if (found == json.end()) return;
    read(*found, fmt::format("{}: {} = ", source, key), info, member);
    set.push_back(key);
  });
  for (const auto& [key, value] : json.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end())
      throw ConfigError("{}: unknown key \"{}\"{}", source, printable(key),
                        did_you_mean(key, known));
    if ((key == "description" || key == "preset") && !value.is_string())
      refuse_type(fmt::format("{}: {} = ", source, key), value, "a string");
  }
  if (json.contains("preset")) config.preset = json["preset"].get<std::string>();
  return set;
}

RunConfig config_from_json(std::string_view text, const std::string& source) {
  RunConfig config;
  apply_json(text, source, config);
  return config;
}

}  // namespace swallow
