#include "data/input_list.h"

#include <catch2/catch.hpp>

#include "base/check.h"
#include "data/fixtures.h"

using swallow::check_inputs;
using swallow::ConfigError;
using swallow::DataError;
using swallow::expand_inputs;
using swallow::test::message_of;
using swallow::test::TemporaryFolder;
using swallow::test::write_file;

namespace {

using Names = std::vector<std::string>;

Names expand(const Names& patterns) {
  return expand_inputs(patterns);
}

}  // namespace

TEST_CASE("patterns become the files they match, in the order of their bytes", "[unit][data]") {
  const TemporaryFolder folder;
  for (const char* name : {"b.gz", "a.gz", "B.gz", "a10.gz", "a9.gz", "c.txt"}) {
    write_file(folder / name, "x");
  }
  REQUIRE(expand({folder / "*.gz"}) == Names{folder / "B.gz", folder / "a.gz", folder / "a10.gz",
                                             folder / "a9.gz", folder / "b.gz"});
  // The order of the arguments stays; a name without a pattern is not looked for.
  REQUIRE(expand({folder / "c*", "nowhere/x", folder / "[ab].gz"}) ==
          Names{folder / "c.txt", "nowhere/x", folder / "a.gz", folder / "b.gz"});
  REQUIRE(expand({folder / "a?.gz"}) == Names{folder / "a9.gz"});
}

TEST_CASE("a file whose name is also a pattern is taken by its name", "[unit][data]") {
  const TemporaryFolder folder;
  write_file(folder / "a[1].jsonl", "x");
  write_file(folder / "a1.jsonl", "x");
  REQUIRE(expand({folder / "a[1].jsonl"}) == Names{folder / "a[1].jsonl"});
}

TEST_CASE("a pattern that matches nothing is refused", "[unit][data]") {
  const TemporaryFolder folder;
  REQUIRE(message_of<DataError>([&] { expand({folder / "*.jsonl"}); }) ==
          "--input " + (folder / "*.jsonl") + ": no file matches; expected at least one");
}

TEST_CASE("inputs are weighed together, and each is taken once", "[unit][data]") {
  const TemporaryFolder folder;
  write_file(folder / "a", "four");
  write_file(folder / "b", "twelve bytes");
  REQUIRE(check_inputs(Names{folder / "a", folder / "b"}) == 16);
  REQUIRE(message_of<DataError>([&] {
            check_inputs(Names{folder / "a", folder / "none"});
          }).find(folder / "none") == 0);
  std::filesystem::create_symlink(folder / "a", folder / "link");
  for (const std::string& again : {folder / "a", folder / "./a", folder / "link"}) {
    CAPTURE(again);
    REQUIRE(message_of<ConfigError>([&] {
              check_inputs(Names{folder / "a", folder / "b", again});
            }) == "--input " + again + ": is the same file as " + (folder / "a") +
                      "; expected each file once");
  }
}
