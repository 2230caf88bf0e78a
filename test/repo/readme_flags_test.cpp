#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <string>

#include "config/help.h"

TEST_CASE("the README's table of flags is the one that --help-markdown prints", "[unit][repo]") {
  std::ifstream file(std::string(SWALLOW_SOURCE_DIR) + "/README.md");
  REQUIRE(file);
  const std::string readme{std::istreambuf_iterator<char>(file), {}};
  const std::string begin = "<!-- flags:begin -->\n";
  const std::string end = "<!-- flags:end -->";
  const size_t first = readme.find(begin);
  const size_t last = readme.find(end);
  REQUIRE(first != std::string::npos);
  REQUIRE(last != std::string::npos);
  const std::string table = readme.substr(first + begin.size(), last - first - begin.size());
  CHECK(table == swallow::flags_markdown());
}
