// Where a text may be cut before it is tokenized without a token coming out differently.
//
// Byte-pair encoding begins with single characters and joins two neighbours whenever what they make
// together is a piece of the vocabulary. Every token, and all that is joined on the way to it, is
// therefore a piece. Where no piece that stands in the text reaches across a place, nothing is
// joined across it, and what is joined on one side does not depend on the other: the tokens of a
// text are those of its parts, one after the other.
//
// A tree of the pieces tells all such places. Some of them can be told quicker from two or three
// characters: a piece that reaches across a place is the two characters beside it, or holds both
// and a third, the one before or the one after them. They cut a text into blocks of a few parts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/piece_trie.h"

namespace swallow {

class TextCuts {
 public:
  /// `pieces` are all of the vocabulary. In them and in a text a space is the same as U+2581.
  explicit TextCuts(const std::vector<std::string>& pieces);

  /// Bytes up to the first place that no piece that stands in `text` reaches across, or to its end:
  /// at least a character. `text` is not empty and valid UTF-8.
  [[nodiscard]] size_t first_part(std::string_view text) const;

  /// Bytes of the first part, or of the first few: quicker.
  [[nodiscard]] size_t first_block(std::string_view text) const;

 private:
  explicit TextCuts(const std::vector<std::u32string>& pieces);
  [[nodiscard]] bool holds(uint32_t hash) const;
  void add(uint32_t hash);
  void add_neighbours(std::u32string_view piece);
  [[nodiscard]] bool may_join(char32_t before, char32_t left, char32_t right,
                              std::string_view after) const;

  std::vector<uint64_t> bits_;  // one for each hash of what stands side by side in a piece
  PieceTrie trie_;
};

}  // namespace swallow
