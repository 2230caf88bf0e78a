#include "data/piece_trie.h"

#include <catch2/catch.hpp>
#include <random>
#include <set>
#include <string>

using swallow::PieceTrie;

namespace {

/// Characters near one another, far apart, and the last there is.
constexpr std::u32string_view kCharacters = U" abcdeé、あいうえお春夏秋冬𠮷😀\U0010ffff";

std::u32string random_word(std::mt19937& random, size_t longest) {
  std::u32string word;
  for (size_t i = random() % (longest + 1); i > 0; --i)
    word += kCharacters[random() % kCharacters.size()];
  return word;
}

}  // namespace

TEST_CASE("a walk goes on while it is the beginning of a piece", "[unit][data]") {
  std::mt19937 random(5);
  for (const size_t count : {0, 1, 10, 500, 5000}) {
    std::vector<std::u32string> pieces;
    for (size_t i = 0; i < count; ++i) pieces.push_back(random_word(random, 6));
    const PieceTrie trie(pieces);
    const std::set<std::u32string> whole(pieces.begin(), pieces.end());
    std::set<std::u32string> beginnings;
    for (const std::u32string& piece : pieces)
      for (size_t i = 1; i <= piece.size(); ++i) beginnings.insert(piece.substr(0, i));

    for (int i = 0; i < 5000; ++i) {
      const bool known = count > 0 && i % 2 == 0;
      const std::u32string word = known ? pieces[random() % count] : random_word(random, 8);
      CAPTURE(count, i);
      PieceTrie::Place place;
      std::u32string walked;
      for (const char32_t character : word) {
        walked += character;
        const bool goes_on = trie.step(place, character);
        REQUIRE(goes_on == beginnings.contains(walked));
        if (!goes_on) break;
        REQUIRE(place.ends_piece == whole.contains(walked));
      }
    }
  }
}

TEST_CASE("a step that fails leaves the place as it is", "[unit][data]") {
  const std::vector<std::u32string> pieces = {U"", U"ab", U"abc", U"ab"};
  const PieceTrie trie(pieces);
  PieceTrie::Place place;
  REQUIRE(!trie.step(place, U'b'));
  REQUIRE(trie.step(place, U'a'));
  REQUIRE(!place.ends_piece);
  REQUIRE(!trie.step(place, U'a'));
  REQUIRE(trie.step(place, U'b'));
  REQUIRE(place.ends_piece);
  REQUIRE(!trie.step(place, U'\U0010ffff'));
  REQUIRE(trie.step(place, U'c'));
  REQUIRE(!trie.step(place, U'\0'));
}
