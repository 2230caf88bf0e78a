// Strings out of one line of JSON Lines, without building a document tree.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace swallow {

struct JsonTexts {
  std::vector<std::string> texts;  // one for each key, in their order
  std::string problem;             // empty when the line is good; otherwise why it is not
};

/// The strings under `keys` of the object that `line` is, all from one parse. A problem is: not
/// JSON, not valid UTF-8, no object, a key that is not there or there twice, another type than
/// string, nested deeper than 64. A byte order mark before the object is ignored.
[[nodiscard]] JsonTexts json_texts(std::string_view line, std::span<const std::string> keys);

}  // namespace swallow
