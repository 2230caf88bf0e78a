#include "data/text_input.h"

#include <catch2/catch.hpp>

#include "base/check.h"
#include "data/fixtures.h"
#include "data/gzip_text.h"

using swallow::DataError;
using swallow::TextInput;
using swallow::test::message_of;
using swallow::test::TemporaryFolder;
using swallow::test::write_file;

namespace {

/// The whole text, read `step` bytes at a time.
std::string read_text(const std::string& path, size_t step = 1000) {
  TextInput input(path);
  std::string text;
  int64_t last = 0;
  for (std::string part(step, '\0');;) {
    const int64_t got = input.read(part);
    if (got == 0) break;
    text.append(part, 0, static_cast<size_t>(got));
    REQUIRE(input.consumed() >= last);
    last = input.consumed();
  }
  REQUIRE(input.consumed() == static_cast<int64_t>(std::filesystem::file_size(path)));
  return text;
}

/// Digits that do not compress to nothing: several of the reader's blocks when compressed.
std::string digits(int lines) {
  std::string text;
  uint64_t state = 1;
  for (int i = 0; i < lines; ++i) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    text += std::to_string(state) + "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("plain and gzip files give their text, whatever their name", "[unit][data]") {
  const TemporaryFolder folder;
  const std::string text = digits(40'000);
  write_file(folder / "plain.gz", text);
  write_file(folder / "packed.jsonl", swallow::test::gzip(text));
  REQUIRE(std::filesystem::file_size(folder / "packed.jsonl") > 300'000);
  for (const size_t step : {1'000U, 70'000U, 10'000'000U}) {
    CAPTURE(step);
    REQUIRE((read_text(folder / "plain.gz", step) == text));
    REQUIRE((read_text(folder / "packed.jsonl", step) == text));
  }
  write_file(folder / "empty", "");
  write_file(folder / "packed empty", swallow::test::gzip(""));
  write_file(folder / "short", "\x1f");
  REQUIRE(read_text(folder / "empty").empty());
  REQUIRE(read_text(folder / "packed empty").empty());
  REQUIRE(read_text(folder / "short") == "\x1f");
}

TEST_CASE("gzip members one after the other are one text", "[unit][data]") {
  const TemporaryFolder folder;
  std::string packed;
  std::string text;
  for (int i = 0; i < 300; ++i) {
    const std::string part = i % 7 == 0 ? "" : "line " + std::to_string(i) + (i % 2 ? "\n" : "");
    text += part;
    packed += swallow::test::gzip(part);
  }
  write_file(folder / "members.gz", packed);
  for (const size_t step : {1U, 3U, 1'000U})
    REQUIRE(read_text(folder / "members.gz", step) == text);
}

TEST_CASE("a gzip file cut off anywhere is refused with the offset", "[unit][data]") {
  const TemporaryFolder folder;
  const std::string packed = swallow::test::gzip("one line of text\n");
  for (size_t size = 2; size < packed.size(); ++size) {
    CAPTURE(size);
    write_file(folder / "cut.gz", packed.substr(0, size));
    const std::string message = message_of<DataError>([&] { read_text(folder / "cut.gz"); });
    REQUIRE(message == (folder / "cut.gz") + ": ends at compressed offset " + std::to_string(size) +
                           " inside a gzip member: truncated");
    // The same after a whole member.
    write_file(folder / "second.gz", packed + packed.substr(0, size));
    REQUIRE(message_of<DataError>([&] { read_text(folder / "second.gz"); }).find("truncated") !=
            std::string::npos);
  }
}

TEST_CASE("a gzip file with any bit of its data flipped is refused or gives the same text",
          "[unit][data]") {
  const TemporaryFolder folder;
  const std::string text = digits(40);
  const std::string packed = swallow::test::gzip(text);
  int refused = 0;
  for (size_t bit = 16; bit < 8 * packed.size(); ++bit) {
    CAPTURE(bit);
    std::string damaged = packed;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    write_file(folder / "damaged.gz", damaged);
    std::string got = text;
    try {
      got = read_text(folder / "damaged.gz");
    } catch (const DataError& error) {
      const std::string message = error.what();
      REQUIRE(message.find((folder / "damaged.gz") + ": ") == 0);
      REQUIRE(message.find("compressed offset ") != std::string::npos);
      ++refused;
    }
    REQUIRE((got == text));  // a bit of the header without meaning
  }
  REQUIRE(refused > static_cast<int>(8 * (packed.size() - 10)));
}

TEST_CASE("what follows the last gzip member must be one", "[unit][data]") {
  const TemporaryFolder folder;
  const std::string packed = swallow::test::gzip("text\n");
  for (const std::string& more :
       {std::string("x"), std::string("text\n"), std::string(512, '\0')}) {
    write_file(folder / "more.gz", packed + more);
    const std::string message = message_of<DataError>([&] { read_text(folder / "more.gz"); });
    const std::string place = "compressed offset " + std::to_string(packed.size());
    CAPTURE(message);
    if (more.size() > 1) {
      REQUIRE(message.find(place + ": bytes that are no gzip member follow") != std::string::npos);
    } else {
      REQUIRE(message.find("more.gz: ") != std::string::npos);
    }
  }
}
