#include "data/text_cuts.h"

#include <catch2/catch.hpp>
#include <random>
#include <set>
#include <string>

#include "data/token_cache.h"

using swallow::TextCuts;
using swallow::TokenCache;

namespace {

using Parts = std::vector<std::string>;

template <class First>
Parts split(std::string_view text, First first) {
  Parts parts;
  while (!text.empty()) {
    parts.emplace_back(text.substr(0, first(text)));
    text.remove_prefix(parts.back().size());
  }
  return parts;
}

Parts parts(const TextCuts& cuts, std::string_view text) {
  return split(text, [&](std::string_view rest) { return cuts.first_part(rest); });
}

Parts blocks(const TextCuts& cuts, std::string_view text) {
  return split(text, [&](std::string_view rest) { return cuts.first_block(rest); });
}

/// Offsets in bytes of where parts end.
std::set<size_t> ends(const Parts& parts) {
  std::set<size_t> ends;
  size_t end = 0;
  for (const std::string& part : parts) ends.insert(end += part.size());
  return ends;
}

/// From the definition: `text`, as characters, may be cut where no piece that stands in it is on
/// both sides.
std::set<size_t> ends_by_definition(const std::set<std::string>& pieces, const Parts& text) {
  std::vector<bool> may_cut(text.size() + 1, true);
  for (size_t i = 0; i < text.size(); ++i) {
    std::string candidate;
    for (size_t j = i; j < text.size(); ++j) {
      candidate += text[j] == " " ? "▁" : text[j];
      if (!pieces.contains(candidate)) continue;
      for (size_t place = i + 1; place <= j; ++place) may_cut[place] = false;
    }
  }
  std::set<size_t> ends;
  size_t end = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    end += text[i].size();
    if (may_cut[i + 1]) ends.insert(end);
  }
  return ends;
}

}  // namespace

TEST_CASE("a text is cut where no piece reaches across", "[unit][data]") {
  const TextCuts cuts({"", "a", "ab", "bc", "▁a", "春に", "é", "𠮷野家"});
  const auto cut = [&](std::string_view text) {
    const Parts found = parts(cuts, text);
    REQUIRE(blocks(cuts, text) == found);  // no text here has a place that only the tree tells
    return found;
  };
  REQUIRE(cut("abcba") == Parts{"abc", "b", "a"});
  REQUIRE(cut("ab ab▁ab") == Parts{"ab", " ab", "▁ab"});  // a space is U+2581
  // Neighbours in a longer piece alone are joined only beside the rest of it.
  REQUIRE(cut("野家") == Parts{"野", "家"});
  REQUIRE(cut("大野家具") == Parts{"大", "野", "家", "具"});
  REQUIRE(cut("𠮷野") == Parts{"𠮷", "野"});
  REQUIRE(cut("大𠮷野家具") == Parts{"大", "𠮷野家", "具"});
  REQUIRE(cut("  a\n") == Parts{" ", " a", "\n"});
  REQUIRE(cut("春に春に、𠮷野家é") == Parts{"春に", "春に", "、", "𠮷野家", "é"});
  REQUIRE(cut(std::string_view("a\0b", 3)) == Parts{"a", std::string(1, '\0'), "b"});
}

TEST_CASE("pieces that do not stand in the text as a whole join nothing", "[unit][data]") {
  const TextCuts cuts({"swallow", "wallows", "low▁tide"});
  REQUIRE(parts(cuts, "swallo") == Parts{"s", "w", "a", "l", "l", "o"});
  REQUIRE(blocks(cuts, "swallo") == Parts{"swallo"});
  REQUIRE(parts(cuts, "swallows") == Parts{"swallows"});
  REQUIRE(parts(cuts, "swallow tide") == Parts{"swallow tide"});
  REQUIRE(parts(cuts, "swallow tid") == Parts{"swallow", " ", "t", "i", "d"});
}

TEST_CASE("all cuts of the definition are found, and by blocks no other", "[unit][data]") {
  const std::vector<std::string> characters = {"a", "b",  "c",  " ",  "▁",  "é",
                                               "ß", "春", "に", "、", "𠮷", "😀"};
  std::mt19937 random(77);
  const auto characters_of_random_text = [&](size_t longest) {
    Parts text;
    // Few of the characters, so that pieces stand in texts.
    const size_t kinds = 2 + random() % (characters.size() - 1);
    for (size_t i = 1 + random() % longest; i > 0; --i)
      text.push_back(characters[random() % kinds]);
    return text;
  };
  size_t found = 0;
  size_t joined = 0;
  for (int i = 0; i < 3000; ++i) {
    Parts pieces;
    for (size_t j = random() % 60; j > 0; --j) {
      std::string& piece = pieces.emplace_back();
      for (const std::string& c : characters_of_random_text(5)) piece += c == " " ? "▁" : c;
    }
    Parts text = characters_of_random_text(60);
    // A character that is cut off is one that stands in no piece.
    if (i % 3 == 0) text.push_back(std::vector{"\xe3\x81", "\xf0\x9f\x98", "\xc3"}[random() % 3]);
    std::string bytes;
    for (const std::string& character : text) bytes += character;

    const TextCuts cuts(pieces);
    const std::set<size_t> want = ends_by_definition({pieces.begin(), pieces.end()}, text);
    CAPTURE(i, bytes, pieces);
    REQUIRE(ends(parts(cuts, bytes)) == want);
    for (const size_t end : ends(blocks(cuts, bytes))) REQUIRE(want.contains(end));
    found += want.size();
    joined += text.size() - want.size();
  }
  REQUIRE(found > 10'000);
  REQUIRE(joined > 10'000);
}

TEST_CASE("cutting ends inside the text, whatever the bytes", "[unit][data]") {
  const TextCuts cuts({"\xe3", "a\xe3\x81", "\x80\x80", "\xff"});
  for (const std::string_view text : {"\xff", "\x80\x80", "a\xe3\x81", "\xf0\x9f", "\xc3"}) {
    REQUIRE(*ends(parts(cuts, text)).rbegin() == text.size());
    REQUIRE(*ends(blocks(cuts, text)).rbegin() == text.size());
  }
}

TEST_CASE("a cache gives back what was kept, or nothing", "[unit][data]") {
  TokenCache cache;
  const auto tokens_of = [](int i) {
    std::vector<int32_t> tokens;
    for (int j = 0; j <= i % 8; ++j) tokens.push_back(1000 * j + i);
    return tokens;
  };
  // More parts than there are places, so that many are driven out.
  int found = 0;
  const auto keep = [&](const std::string& part, const std::vector<int32_t>& tokens) {
    cache.keep(cache.key_of(part), tokens);
  };
  const auto find = [&](const std::string& part) {
    std::vector<int32_t> tokens = {-1};  // what is there stays
    const bool hit = cache.append(cache.key_of(part), tokens);
    REQUIRE(tokens.at(0) == -1);
    tokens.erase(tokens.begin());
    REQUIRE(hit == !tokens.empty());
    return tokens;
  };
  for (int i = 0; i < 200'000; ++i) keep("part " + std::to_string(i), tokens_of(i));
  for (int i = 0; i < 200'000; ++i) {
    const std::vector<int32_t> tokens = find("part " + std::to_string(i));
    if (tokens.empty()) continue;
    ++found;
    if (tokens != tokens_of(i)) FAIL(i);
  }
  REQUIRE(found > 10'000);
  REQUIRE(found < 200'000);

  keep(std::string(30, 'x'), tokens_of(7));
  REQUIRE(find(std::string(30, 'x')).size() == 8);
  REQUIRE(find(std::string(29, 'x')).empty());
  keep(std::string(31, 'x'), tokens_of(1));  // too long
  REQUIRE(find(std::string(31, 'x')).empty());
  keep("many", std::vector<int32_t>(9, 5));  // too many tokens
  REQUIRE(find("many").empty());
}
