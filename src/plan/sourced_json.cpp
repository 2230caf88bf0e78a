#include "plan/sourced_json.h"

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <set>

#include "base/check.h"
#include "config/nearest_name.h"
#include "config/value_text.h"

namespace swallow {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxBytes = size_t{16} << 20;
constexpr int kMaxDepth = 64;

[[noreturn]] void refuse(const std::string& where, const Json& value, std::string_view expected) {
  const std::string text = value.is_structured()
                               ? value.type_name()
                               : value.dump(-1, ' ', false, Json::error_handler_t::replace);
  throw ConfigError("{}{}: expected {}", where, printable(text), expected);
}

double checked_number(const std::string& where, const Json& value, const Range& range) {
  if (!value.is_number()) refuse(where, value, "a number, " + describe(range));
  const auto number = value.get<double>();
  check_range(where, number, range);
  return number;
}

Json parse_without_doubles(const std::string& text, const std::string& source) {
  std::vector<std::set<std::string>> open_objects;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    if ((event == Event::object_start || event == Event::array_start) && depth >= kMaxDepth)
      throw ConfigError("{}: JSON nested deeper than {}", source, kMaxDepth);
    if (event == Event::object_start) open_objects.emplace_back();
    if (event == Event::object_end) open_objects.pop_back();
    if (event == Event::key && !open_objects.back().insert(parsed.get<std::string>()).second)
      throw ConfigError("{}: key \"{}\" is given twice", source,
                        printable(parsed.get<std::string>()));
    return true;
  };
  try {
    return Json::parse(text, watch);
  } catch (const Json::exception& error) {
    throw ConfigError("{}: not valid JSON: {}", source, printable(error.what()));
  }
}

}  // namespace

Json read_json_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxBytes + 1, '\0');
  if (!file || !file.read(text.data(), static_cast<std::streamsize>(text.size())).eof())
    throw ConfigError("{}: cannot be read; expected a JSON file of at most {} bytes",
                      printable(path), kMaxBytes);
  text.resize(static_cast<size_t>(file.gcount()));
  return parse_without_doubles(text, printable(path));
}

SourcedObject::SourcedObject(const Json& object, std::string where)
    : object_(object), where_(std::move(where)) {
  if (!object.is_object()) refuse(where_ + ": ", object, "an object");
}

bool SourcedObject::has(std::string_view key) const {
  return object_.contains(std::string(key));
}

std::string SourcedObject::place(std::string_view key) const {
  return fmt::format("{}: \"{}\" ", where_, key);
}

const Json& SourcedObject::take(std::string_view key) {
  const auto found = object_.find(std::string(key));
  if (found == object_.end()) throw ConfigError("{}: key \"{}\" is missing", where_, key);
  taken_.emplace_back(key);
  return *found;
}

const Json& SourcedObject::sourced(std::string_view key) {
  const Json& entry = take(key);
  const bool sound = entry.is_object() && entry.size() == 2 && entry.contains("value") &&
                     entry.contains("source") && entry["source"].is_string() &&
                     !entry["source"].get_ref<const std::string&>().empty();
  if (!sound) refuse(place(key), entry, "{\"value\": ..., \"source\": \"where it is from\"}");
  return entry["value"];
}

std::string SourcedObject::text(std::string_view key) {
  const Json& value = take(key);
  if (!value.is_string()) refuse(place(key), value, "a text");
  return value.get<std::string>();
}

double SourcedObject::number(std::string_view key, const Range& range) {
  return checked_number(place(key), sourced(key), range);
}

int64_t SourcedObject::integer(std::string_view key, const Range& range) {
  const Json& value = sourced(key);
  if (!value.is_number_integer()) refuse(place(key), value, "a whole number, " + describe(range));
  checked_number(place(key), value, range);
  return value.get<int64_t>();
}

std::vector<std::vector<double>> SourcedObject::rows(std::string_view key, size_t columns,
                                                     const Range& range) {
  const Json& value = sourced(key);
  const std::string expected = fmt::format("a list of rows of {} numbers", columns);
  if (!value.is_array() || value.empty()) refuse(place(key), value, expected);
  std::vector<std::vector<double>> rows;
  for (const Json& row : value) {
    if (!row.is_array() || row.size() != columns) refuse(place(key), row, expected);
    rows.emplace_back();
    for (const Json& number : row) rows.back().push_back(checked_number(place(key), number, range));
  }
  return rows;
}

std::map<std::string, double> SourcedObject::table(std::string_view key, const Range& range) {
  const Json& value = sourced(key);
  if (!value.is_object()) refuse(place(key), value, "an object of numbers");
  std::map<std::string, double> table;
  for (const auto& [name, number] : value.items())
    table[name] = checked_number(place(fmt::format("{}.{}", key, printable(name))), number, range);
  return table;
}

void SourcedObject::finish() const {
  for (const auto& [key, value] : object_.items())
    if (std::find(taken_.begin(), taken_.end(), key) == taken_.end())
      throw ConfigError("{}: unknown key \"{}\"{}", where_, printable(key),
                        did_you_mean(key, taken_));
}

}  // namespace swallow
