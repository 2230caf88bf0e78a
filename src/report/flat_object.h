// A JSON object in one line without anything nested, read without building a document: fast enough
// for millions of lines. It knows less than JSON: what it does not know it leaves to a full parser.
#pragma once

#include <string_view>

namespace swallow {

struct FlatValue {
  enum class Kind : unsigned char { null, boolean, number, text };
  Kind kind = Kind::null;
  bool boolean = false;
  double number = 0;
  std::string_view text;  // within the line
};

/// Calls `take` with each key and value in their order. False when the line is not a whole object
/// of strings without escapes, of ASCII alone, and of numbers, booleans and nulls; `take` may have
/// been called by then.
template <class Take>
bool read_flat_object(std::string_view line, Take&& take);

/// What read_flat_object() is made of: each takes its part off the front of the line, or says
/// false.
namespace flat {
void skip_blanks(std::string_view& rest);
bool take_character(std::string_view& rest, char expected);
bool take_text(std::string_view& rest, std::string_view& text);
bool take_value(std::string_view& rest, FlatValue& value);
}  // namespace flat

template <class Take>
bool read_flat_object(std::string_view line, Take&& take) {
  if (!flat::take_character(line, '{')) return false;
  do {
    std::string_view key;
    FlatValue value;
    if (!flat::take_text(line, key) || !flat::take_character(line, ':') ||
        !flat::take_value(line, value))
      return false;
    take(key, value);
  } while (flat::take_character(line, ','));
  if (!flat::take_character(line, '}')) return false;
  flat::skip_blanks(line);
  return line.empty();
}

}  // namespace swallow
