// Tables of the README that commands print: they are compared with what they print now.
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <string>

#include "config/help.h"
#include "plan/preset_table.h"

namespace {

/// What stands in the README between <!-- name:begin --> and <!-- name:end -->.
std::string marked(const std::string& name) {
  std::ifstream file(std::string(SWALLOW_SOURCE_DIR) + "/README.md");
  REQUIRE(file);
  const std::string readme{std::istreambuf_iterator<char>(file), {}};
  const std::string begin = "<!-- " + name + ":begin -->\n";
  const size_t first = readme.find(begin);
  const size_t last = readme.find("<!-- " + name + ":end -->");
  REQUIRE(first != std::string::npos);
  REQUIRE(last != std::string::npos);
  return readme.substr(first + begin.size(), last - first - begin.size());
}

}  // namespace

TEST_CASE("the README's table of flags is the one that --help-markdown prints", "[unit][repo]") {
  CHECK(marked("flags") == swallow::flags_markdown());
}

TEST_CASE("the README's table of presets is the one that plan --presets-markdown prints",
          "[unit][repo]") {
  CHECK(marked("presets") == swallow::presets_markdown());
}
