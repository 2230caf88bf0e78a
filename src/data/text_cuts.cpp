#include "data/text_cuts.h"

#include <algorithm>

namespace swallow {

namespace {

// Two entries of one hash only keep a place from being cut. The bits fit a core's second-level
// cache.
constexpr unsigned kHashBits = 21;
constexpr uint32_t kNone = UINT32_MAX;  // where there is no character
constexpr uint32_t kSpace = 0x2581;     // what SentencePiece writes for a space

struct Character {
  uint32_t code = 0;
  size_t bytes = 1;
};

/// The first character; one that is cut off is taken as it is.
Character first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead == ' ' ? kSpace : lead, 1};
  const size_t bytes = std::min<size_t>(lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4, text.size());
  uint32_t code = lead & (0xffU >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3fU);
  }
  return {code, bytes};
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

TextCuts::TextCuts() : bits_((size_t{1} << kHashBits) / 64, 0) {}

bool TextCuts::holds(uint32_t hash) const {
  return (bits_[hash / 64] >> hash % 64 & 1) != 0;
}

void TextCuts::add(uint32_t hash) {
  bits_[hash / 64] |= uint64_t{1} << hash % 64;
}

void TextCuts::add_piece(std::string_view piece) {
  std::vector<uint32_t> codes;
  for (std::string_view rest = piece; !rest.empty();) {
    const Character character = first_character(rest);
    codes.push_back(character.code);
    rest.remove_prefix(character.bytes);
  }
  for (size_t i = 1; i < codes.size(); ++i) {
    add(pair_hash(codes[i - 1], codes[i], false));
    if (codes.size() == 2) add(pair_hash(codes[0], codes[1], true));
    if (i > 1) add(triple_hash(codes[i - 2], codes[i - 1], codes[i]));
  }
}

/// False when no piece reaches across the place between `left` and `right`. `before` stands before
/// `left` unless the text was cut there, where no piece reaches across: then it is kNone.
bool TextCuts::may_join(uint32_t before, uint32_t left, uint32_t right,
                        std::string_view after) const {
  if (!holds(pair_hash(left, right, false))) return false;
  if (holds(pair_hash(left, right, true))) return true;
  if (before != kNone && holds(triple_hash(before, left, right))) return true;
  return !after.empty() && holds(triple_hash(left, right, first_character(after).code));
}

size_t TextCuts::first_part(std::string_view text) const {
  uint32_t before = kNone;
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
