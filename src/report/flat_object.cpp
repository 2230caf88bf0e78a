#include "report/flat_object.h"

#include <charconv>

namespace swallow::flat {

namespace {

size_t digits_at(std::string_view text, size_t at) {
  size_t count = 0;
  while (at + count < text.size() && text[at + count] >= '0' && text[at + count] <= '9') ++count;
  return count;
}

bool character_at(std::string_view text, size_t at, std::string_view any_of) {
  return at < text.size() && any_of.find(text[at]) != std::string_view::npos;
}

/// Characters of the number at the front by JSON's grammar (RFC 8259, section 6); 0: there is none.
size_t number_length(std::string_view text) {
  size_t at = character_at(text, 0, "-") ? 1 : 0;
  const size_t whole = digits_at(text, at);
  if (whole == 0 || (whole > 1 && text[at] == '0')) return 0;
  at += whole;
  if (character_at(text, at, ".")) {
    const size_t fraction = digits_at(text, at + 1);
    if (fraction == 0) return 0;
    at += 1 + fraction;
  }
  if (character_at(text, at, "eE")) {
    const size_t sign = character_at(text, at + 1, "+-") ? 1 : 0;
    const size_t exponent = digits_at(text, at + 1 + sign);
    if (exponent == 0) return 0;
    at += 1 + sign + exponent;
  }
  return at;
}

bool take_word(std::string_view& rest, std::string_view word) {
  if (!rest.starts_with(word)) return false;
  rest.remove_prefix(word.size());
  return true;
}

bool take_number(std::string_view& rest, double& number) {
  const size_t length = number_length(rest);
  if (length == 0) return false;
  const auto result = std::from_chars(rest.data(), rest.data() + length, number);
  if (result.ec != std::errc() || result.ptr != rest.data() + length) return false;
  rest.remove_prefix(length);
  return true;
}

}  // namespace

void skip_blanks(std::string_view& rest) {
  while (character_at(rest, 0, " \t\r\n")) rest.remove_prefix(1);
}

bool take_character(std::string_view& rest, char expected) {
  skip_blanks(rest);
  if (rest.empty() || rest[0] != expected) return false;
  rest.remove_prefix(1);
  return true;
}

bool take_text(std::string_view& rest, std::string_view& text) {
  if (!take_character(rest, '"')) return false;
  for (size_t i = 0; i < rest.size(); ++i) {
    const char c = rest[i];
    if (c == '"') {
      text = rest.substr(0, i);
      rest.remove_prefix(i + 1);
      return true;
    }
    if (c < ' ' || c > '~' || c == '\\') return false;  // also what is not ASCII
  }
  return false;
}

bool take_value(std::string_view& rest, FlatValue& value) {
  skip_blanks(rest);
  using Kind = FlatValue::Kind;
  if (character_at(rest, 0, "\"")) {
    value.kind = Kind::text;
    return take_text(rest, value.text);
  }
  if (take_word(rest, "null")) {
    value.kind = Kind::null;
    return true;
  }
  for (const bool boolean : {true, false})
    if (take_word(rest, boolean ? "true" : "false")) {
      value.kind = Kind::boolean;
      value.boolean = boolean;
      return true;
    }
  value.kind = Kind::number;
  return take_number(rest, value.number);
}

}  // namespace swallow::flat
