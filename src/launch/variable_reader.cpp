#include "launch/variable_reader.h"

#include <charconv>

#include "base/check.h"

namespace swallow {

std::optional<std::string> VariableReader::peek(std::string_view name) const {
  std::optional<std::string> value = lookup_(name);
  if (value && value->empty()) value.reset();
  return value;
}

std::optional<std::string> VariableReader::text(std::string_view name) {
  std::optional<std::string> value = peek(name);
  if (value) used_.push_back({std::string(name), *value});
  return value;
}

std::optional<int> VariableReader::integer(std::string_view name, int low, int high) {
  const std::optional<std::string> value = text(name);
  if (!value) return std::nullopt;
  int number = 0;
  const char* end = value->data() + value->size();
  const auto [stop, error] = std::from_chars(value->data(), end, number);
  if (error != std::errc{} || stop != end || number < low || number > high)
    throw ConfigError("{}={}: expected an integer from {} to {}", name, *value, low, high);
  return number;
}

}  // namespace swallow
