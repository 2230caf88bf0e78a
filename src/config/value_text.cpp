#include "config/value_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace swallow {
namespace {

constexpr size_t kMaxTextBytes = 4096;
constexpr size_t kMaxEchoBytes = 80;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

size_t skip_digits(std::string_view text, size_t at) {
  while (at < text.size() && is_digit(text[at])) ++at;
  return at;
}

// The grammar of JSON numbers, with ".1" and "1." allowed as well; what it excludes is what
// from_chars or strtod would take in silence: hexadecimal, inf, nan, and zeros that look octal.
bool is_decimal(std::string_view text) {
  size_t at = (!text.empty() && text[0] == '-') ? 1 : 0;
  const size_t whole = skip_digits(text, at);
  size_t digits = whole - at;
  if (digits > 1 && text[at] == '0') return false;
  at = whole;
  if (at < text.size() && text[at] == '.') {
    const size_t fraction = skip_digits(text, at + 1);
    digits += fraction - at - 1;
    at = fraction;
  }
  if (digits == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    const size_t exponent = skip_digits(text, at);
    if (exponent == at) return false;
    at = exponent;
  }
  return at == text.size();
}

bool is_integer(std::string_view text) {
  return is_decimal(text) && text.find_first_of(".eE") == std::string_view::npos;
}

bool contains(const Range& range, double value) {
  return (range.low_open ? value > range.low : value >= range.low) &&
         (range.high_open ? value < range.high : value <= range.high);
}

[[noreturn]] void refuse(std::string_view where, std::string_view text, std::string_view kind,
                         const Range& range) {
  throw ConfigError("{}{}: expected {}, {}", where, printable(text), kind, describe(range));
}

constexpr std::string_view kWhole = "a whole decimal number";
constexpr std::string_view kReal = "a finite decimal number";

}  // namespace

std::string flag_of(std::string_view key) {
  std::string flag = "--" + std::string(key);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::string printable(std::string_view text) {
  if (text.empty()) return "\"\"";
  std::string out;
  for (const char c : text.substr(0, kMaxEchoBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
  }
  if (text.size() > kMaxEchoBytes) out += fmt::format("... ({} bytes)", text.size());
  return out;
}

std::string describe(const Range& range) {
  const std::string low = fmt::format("{}", range.low);
  const std::string high = fmt::format("{}", range.high);
  if (std::isinf(range.low) && std::isinf(range.high)) return "any";
  if (range.low_open)
    return fmt::format("above {} and {} {}", low, range.high_open ? "below" : "at most", high);
  return fmt::format("{} to {}{}", low, range.high_open ? "below " : "", high);
}

int64_t parse_integer(std::string_view where, std::string_view text, const Range& range) {
  int64_t value = 0;
  if (!is_integer(text)) refuse(where, text, kWhole, range);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) refuse(where, text, kWhole, range);
  check_range(where, value, range);
  return value;
}

double parse_real(std::string_view where, std::string_view text, const Range& range) {
  double value = 0.0;
  if (!is_decimal(text)) refuse(where, text, kReal, range);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) refuse(where, text, kReal, range);
  check_range(where, value, range);
  return value;
}

int64_t parse_bytes(std::string_view where, std::string_view text) {
  constexpr std::pair<std::string_view, int64_t> kUnits[] = {
      {"KB", 1'000}, {"MB", 1'000'000}, {"GB", 1'000'000'000}};
  std::string_view digits = text;
  int64_t unit = 1;
  for (const auto& [suffix, size] : kUnits)
    if (text.ends_with(suffix)) {
      digits.remove_suffix(suffix.size());
      unit = size;
    }
  int64_t count = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  if (error != std::errc{} || end != digits.data() + digits.size() || !is_integer(digits) ||
      count < 1 || count > INT64_MAX / unit)
    throw ConfigError("{}{}: expected bytes as 5GB, 500MB, 64KB or a whole number", where,
                      printable(text));
  return count * unit;
}

std::string parse_text(std::string_view where, std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
  });
  if (text.empty() || text.size() > kMaxTextBytes || !plain)
    throw ConfigError("{}{}: expected 1 to {} bytes of text without control characters", where,
                      printable(text), kMaxTextBytes);
  return std::string(text);
}

void check_range(std::string_view where, int64_t value, const Range& range) {
  if (!contains(range, static_cast<double>(value)))
    refuse(where, fmt::format("{}", value), kWhole, range);
}

void check_range(std::string_view where, double value, const Range& range) {
  if (!std::isfinite(value) || !contains(range, value))
    refuse(where, fmt::format("{}", value), kReal, range);
}

std::string text_of(int64_t value) {
  return fmt::format("{}", value);
}

std::string text_of(double value) {
  return fmt::format("{}", value);
}

std::string text_of(bool value) {
  return value ? "true" : "false";
}

std::string text_of(const std::string& value) {
  return value;
}

std::string text_of(const std::vector<std::string>& value) {
  return fmt::format("{}", fmt::join(value, " "));
}

}  // namespace swallow
