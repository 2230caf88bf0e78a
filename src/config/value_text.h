// Values as text: strict parsing, range checks, and printing, shared by flags and JSON. Every error
// reads "<where><value>: expected <what>".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "config/enum_names.h"
#include "config/fields.h"

namespace swallow {

/// "--hidden-size" for the key "hidden_size".
std::string flag_of(std::string_view key);

/// `text` with control characters escaped and a bound on its length, safe to echo in a message.
std::string printable(std::string_view text);

/// "1 to 10000", "above 0 and at most 1", "0 to below 1".
std::string describe(const Range& range);

/// A decimal integer: an optional minus, no leading zeros, nothing after it. Throws ConfigError.
int64_t parse_integer(std::string_view where, std::string_view text, const Range& range);

/// A finite decimal number ("1e-4", ".1"); no inf, nan, hexadecimal. Throws ConfigError.
double parse_real(std::string_view where, std::string_view text, const Range& range);

/// Bytes: a positive integer, with KB, MB or GB (powers of 1000) behind it or nothing. Throws
/// ConfigError.
int64_t parse_bytes(std::string_view where, std::string_view text);

/// Text of 1 to 4096 bytes without control characters. Throws ConfigError.
std::string parse_text(std::string_view where, std::string_view text);

/// Throws ConfigError when `value` is outside `range` or not finite.
void check_range(std::string_view where, int64_t value, const Range& range);
void check_range(std::string_view where, double value, const Range& range);

/// "bf16|fp32|fp64"
template <class E>
std::string names_of_all() {
  std::string text;
  for (const auto& [value, name] : EnumNames<E>::table) {
    if (!text.empty()) text += '|';
    text += name;
  }
  return text;
}

template <class E>
E parse_enum(std::string_view where, std::string_view text) {
  for (const auto& [value, name] : EnumNames<E>::table)
    if (name == text) return value;
  throw ConfigError("{}{}: expected one of {}", where, printable(text), names_of_all<E>());
}

/// Shortest text that reads back as the same value; lists are separated by spaces.
std::string text_of(int64_t value);
std::string text_of(double value);
std::string text_of(bool value);
std::string text_of(const std::string& value);
std::string text_of(const std::vector<std::string>& value);
template <class E>
requires std::is_enum_v<E> std::string text_of(E value) {
  return std::string(name_of(value));
}

}  // namespace swallow
