#include "data/text_cuts.h"

#include <algorithm>

namespace swallow {

namespace {

// Two entries of one hash only keep a place from being cut. The bits fit a core's second-level
// cache.
constexpr unsigned kHashBits = 21;
constexpr char32_t kNone = UINT32_MAX;  // where there is no character
constexpr char32_t kSpace = 0x2581;     // what SentencePiece writes for a space

struct Character {
  char32_t code = 0;
  size_t bytes = 1;
};

/// The first character; one that is cut off is taken as it is.
Character first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead == ' ' ? kSpace : lead, 1};
  const size_t bytes = std::min<size_t>(lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4, text.size());
  char32_t code = lead & (0xffU >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3fU);
  }
  return {code, bytes};
}

std::vector<std::u32string> characters_of(const std::vector<std::string>& pieces) {
  std::vector<std::u32string> all;
  all.reserve(pieces.size());
  for (std::string_view rest : pieces) {
    std::u32string& characters = all.emplace_back();
    while (!rest.empty()) {
      const Character character = first_character(rest);
      characters.push_back(character.code);
      rest.remove_prefix(character.bytes);
    }
  }
  return all;
}

uint32_t mix(uint32_t value) {
  return value * 0xc2b2ae35U >> (32 - kHashBits);
}

/// Of two neighbours in a piece, `whole` when they are all of it.
uint32_t pair_hash(uint32_t left, uint32_t right, bool whole) {
  return mix((left * 0x9e3779b1U) ^ (right * 0x85ebca6bU) ^ (whole ? 0x27d4eb2fU : 0));
}

uint32_t triple_hash(uint32_t first, uint32_t second, uint32_t third) {
  return mix(((first * 0x9e3779b1U) ^ (second * 0x85ebca6bU)) * 0x165667b1U ^ third * 0x27d4eb2fU);
}

}  // namespace

TextCuts::TextCuts(const std::vector<std::string>& pieces) : TextCuts(characters_of(pieces)) {}

TextCuts::TextCuts(const std::vector<std::u32string>& pieces)
    : bits_((size_t{1} << kHashBits) / 64, 0), trie_(pieces) {
  for (const std::u32string& piece : pieces) add_neighbours(piece);
}

bool TextCuts::holds(uint32_t hash) const {
  return (bits_[hash / 64] >> hash % 64 & 1) != 0;
}

void TextCuts::add(uint32_t hash) {
  bits_[hash / 64] |= uint64_t{1} << hash % 64;
}

void TextCuts::add_neighbours(std::u32string_view piece) {
  for (size_t i = 1; i < piece.size(); ++i) {
    add(pair_hash(piece[i - 1], piece[i], false));
    if (piece.size() == 2) add(pair_hash(piece[0], piece[1], true));
    if (i > 1) add(triple_hash(piece[i - 2], piece[i - 1], piece[i]));
  }
}

size_t TextCuts::first_part(std::string_view text) const {
  size_t begin = 0;
  size_t reach = 0;  // of the characters, and the pieces, that begin before `begin`
  do {
    PieceTrie::Place place;
    Character character = first_character(text.substr(begin));
    size_t end = begin + character.bytes;
    begin = end;
    reach = std::max(reach, end);
    while (trie_.step(place, character.code)) {
      if (place.ends_piece) reach = std::max(reach, end);
      if (end == text.size()) break;
      character = first_character(text.substr(end));
      end += character.bytes;
    }
  } while (begin < reach);
  return reach;
}

/// False when no piece reaches across the place between `left` and `right`. `before` stands before
/// `left` unless the text was cut there, where no piece reaches across: then it is kNone.
bool TextCuts::may_join(char32_t before, char32_t left, char32_t right,
                        std::string_view after) const {
  if (!holds(pair_hash(left, right, false))) return false;
  if (holds(pair_hash(left, right, true))) return true;
  if (before != kNone && holds(triple_hash(before, left, right))) return true;
  return !after.empty() && holds(triple_hash(left, right, first_character(after).code));
}

size_t TextCuts::first_block(std::string_view text) const {
  char32_t before = kNone;
  Character left = first_character(text);
  size_t end = left.bytes;
  while (end < text.size()) {
    const Character right = first_character(text.substr(end));
    if (!may_join(before, left.code, right.code, text.substr(end + right.bytes))) break;
    before = left.code;
    left = right;
    end += right.bytes;
  }
  return end;
}

}  // namespace swallow
