// One string out of one line of JSON Lines, without building a document tree.
#pragma once

#include <string>
#include <string_view>

namespace swallow {

struct JsonText {
  std::string text;
  std::string problem;  // empty when the line is good; otherwise why it is not
};

/// The string under `key` of the object that `line` is. A problem is: not JSON, not valid UTF-8, no
/// object, no such key, twice the key, another type than string, nested deeper than 64.
[[nodiscard]] JsonText json_text(std::string_view line, std::string_view key);

}  // namespace swallow
