#include "data/output_place.h"

#include <catch2/catch.hpp>

#include "base/check.h"
#include "data/fixtures.h"

using swallow::claim_output;
using swallow::ConfigError;
using swallow::Existing;
using swallow::test::message_of;
using swallow::test::TemporaryFolder;
using swallow::test::write_file;

namespace {

void claim(const std::string& prefix, Existing existing = Existing::refuse,
           const std::vector<std::string>& inputs = {}) {
  claim_output(prefix, existing, inputs);
}

}  // namespace

TEST_CASE("an output's name must be free, or be replaced knowingly", "[unit][data]") {
  const TemporaryFolder folder;
  const std::string prefix = folder / "out";
  claim(prefix);
  for (const char* ending : {".idx", ".bin"}) {
    write_file(prefix + ending, "x");
    REQUIRE(message_of<ConfigError>([&] { claim(prefix); }) ==
            "--output-prefix " + prefix + ": " + prefix + ending +
                " exists; give another name, or --overwrite to replace it");
    claim(prefix, Existing::replace);
    REQUIRE(swallow::test::read_file(prefix + ending) == "x");  // nothing is touched yet
    std::filesystem::remove(prefix + ending);
  }
  std::filesystem::create_directory(prefix + ".bin");
  REQUIRE(message_of<ConfigError>([&] {
            claim(prefix, Existing::replace);
          }).find("out.bin exists and is a folder") != std::string::npos);
}

TEST_CASE("an output is no input, whatever its name", "[unit][data]") {
  const TemporaryFolder folder;
  write_file(folder / "out.bin", "x");
  std::filesystem::create_symlink(folder / "out.bin", folder / "link");
  for (const std::string& input : {folder / "out.bin", folder / "link"}) {
    REQUIRE(message_of<ConfigError>([&] {
              claim(folder / "out", Existing::replace, {folder / "missing", input});
            }).find("out.bin exists and is one of the inputs") != std::string::npos);
  }
}

TEST_CASE("an output needs its folder", "[unit][data]") {
  const TemporaryFolder folder;
  write_file(folder / "file", "x");
  for (const std::string& parent : {folder / "none", folder / "file"}) {
    REQUIRE(message_of<ConfigError>([&] { claim(parent + "/out"); }) ==
            "--output-prefix " + parent + "/out: there is no folder " + parent +
                "; expected one that exists");
  }
}

TEST_CASE("what a killed writer left is removed, what a living one writes is not", "[unit][data]") {
  const TemporaryFolder folder;
  write_file(folder / "out.bin.partial.123", "half");
  write_file(folder / "out.idx.partial.4", "half");
  write_file(folder / "out.bin.partial.12x", "not ours");
  write_file(folder / "other.bin.partial.123", "not ours");
  claim(folder / "out");
  REQUIRE(folder.names() ==
          std::vector<std::string>{"other.bin.partial.123", "out.bin.partial.12x"});

  const swallow::OutputFile writer(folder / "out.bin");
  const std::string message = message_of<ConfigError>([&] { claim(folder / "out"); });
  REQUIRE(message.find("out.bin.partial.") != std::string::npos);
  REQUIRE(message.find("is being written by another process") != std::string::npos);
  REQUIRE(folder.names().size() == 3);
  claim(folder / "another");
}
