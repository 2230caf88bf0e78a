// Where a text may be cut before it is tokenized without a token coming out differently.
//
// Byte-pair encoding begins with single characters and joins two neighbours whenever what they make
// together is a piece of the vocabulary. Every token is therefore a piece. Where no piece that
// stands in the text reaches across a place, nothing is joined across it, and what is joined on one
// side does not depend on the other: the tokens of a text are those of its parts, one after the
// other. That is told from two or three characters: a piece that reaches across a place is the two
// characters beside it, or holds both and a third, the one before or the one after them.
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
  [[nodiscard]] bool holds(uint32_t hash) const;
  void add(uint32_t hash);
  [[nodiscard]] bool may_join(uint32_t before, uint32_t left, uint32_t right,
                              std::string_view after) const;

  std::vector<uint64_t> bits_;  // one for each hash of what stands side by side in a piece
};

}  // namespace swallow
