#include "data/text_cuts.h"

#include <catch2/catch.hpp>
#include <string>

#include "data/token_cache.h"

using swallow::TextCuts;
using swallow::TokenCache;

namespace {

std::vector<std::string> parts(const TextCuts& cuts, std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    parts.emplace_back(text.substr(0, cuts.first_part(text)));
    text.remove_prefix(parts.back().size());
  }
  return parts;
}

using Parts = std::vector<std::string>;

}  // namespace

TEST_CASE("a text is cut where no piece reaches across", "[unit][data]") {
  TextCuts cuts;
  for (const char* piece : {"", "a", "ab", "bc", "▁a", "春に", "é", "𠮷野家"})
    cuts.add_piece(piece);
  REQUIRE(parts(cuts, "abcba") == Parts{"abc", "b", "a"});
  REQUIRE(parts(cuts, "ab ab▁ab") == Parts{"ab", " ab", "▁ab"});  // a space is U+2581
  // Neighbours in a longer piece alone are joined only beside a third of its characters.
  REQUIRE(parts(cuts, "野家") == Parts{"野", "家"});
  REQUIRE(parts(cuts, "大野家具") == Parts{"大", "野", "家", "具"});
  REQUIRE(parts(cuts, "𠮷野") == Parts{"𠮷", "野"});
  REQUIRE(parts(cuts, "大𠮷野家具") == Parts{"大", "𠮷野家", "具"});
  REQUIRE(parts(cuts, "  a\n") == Parts{" ", " a", "\n"});
  REQUIRE(parts(cuts, "春に春に、𠮷野家é") == Parts{"春に", "春に", "、", "𠮷野家", "é"});
  REQUIRE(parts(cuts, std::string_view("a\0b", 3)) == Parts{"a", std::string(1, '\0'), "b"});
}

TEST_CASE("cutting ends inside the text, whatever the bytes", "[unit][data]") {
  const TextCuts cuts;
  for (const std::string_view text : {"\xff", "\x80\x80", "a\xe3\x81", "\xf0\x9f", "\xc3"}) {
    size_t bytes = 0;
    for (const std::string& part : parts(cuts, text)) bytes += part.size();
    REQUIRE(bytes == text.size());
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
