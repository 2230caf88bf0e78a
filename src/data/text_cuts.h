// Where a text may be cut before it is tokenized without a token coming out differently.
//
// Byte-pair encoding begins with single characters and joins two neighbours whenever what they make
// together is a piece of the vocabulary. Every token is therefore a piece, and two characters that
// stand side by side in no piece are never in one token: nothing is joined across that place, and
// what is joined on one side of it does not depend on the other. So the tokens of a text are those
// of its parts, one part after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace swallow {

class TextCuts {
 public:
  TextCuts();

  /// Every piece of the vocabulary must be given before the first cut.
  void add_piece(std::string_view piece);

  /// Bytes of the first part of `text`, which is not empty and valid UTF-8: at least a character.
  [[nodiscard]] size_t first_part(std::string_view text) const;

 private:
  std::vector<uint64_t> pairs_;  // a bit for each hash of two neighbours in a piece
};

}  // namespace swallow
