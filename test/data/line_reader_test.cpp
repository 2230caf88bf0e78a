#include "data/line_reader.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>

using swallow::LineChunk;
using swallow::LineReader;

namespace {

struct Read {
  std::vector<std::string> lines;
  std::vector<int64_t> numbers;
  std::vector<int64_t> too_long;
};

/// Reads `text`, handed over at most `step` bytes at a time.
Read read_all(std::string_view text, size_t max_line, size_t block, size_t step) {
  LineReader reader(
      [&](std::span<char> out) {
        const size_t count = std::min({text.size(), out.size(), step});
        std::memcpy(out.data(), text.data(), count);
        text.remove_prefix(count);
        return static_cast<int64_t>(count);
      },
      max_line, block);
  Read read;
  for (LineChunk chunk; reader.next(chunk);) {
    int64_t number = chunk.first_line;
    for (const LineChunk::Line& line : chunk.lines) {
      if (line.too_long) {
        read.too_long.push_back(number);
      } else {
        read.lines.emplace_back(chunk.view(line));
        read.numbers.push_back(number);
      }
      ++number;
    }
  }
  return read;
}

}  // namespace

TEST_CASE("lines are the same however the bytes arrive", "[unit][data]") {
  const std::string text = "one\n\nthree three\nfour\r\n\n\nseven without end";
  const std::vector<std::string> want = {"one", "", "three three",      "four\r",
                                         "",    "", "seven without end"};
  for (const size_t block : {1U, 2U, 3U, 7U, 64U, 1000U}) {
    for (const size_t step : {1U, 2U, 5U, 1000U}) {
      CAPTURE(block, step);
      const Read read = read_all(text, 100, block, step);
      REQUIRE(read.lines == want);
      REQUIRE(read.numbers == std::vector<int64_t>{1, 2, 3, 4, 5, 6, 7});
    }
  }
}

TEST_CASE("a last newline does not begin another line, nothing is no line", "[unit][data]") {
  REQUIRE(read_all("a\nb\n", 10, 4, 4).lines == std::vector<std::string>{"a", "b"});
  REQUIRE(read_all("", 10, 4, 4).lines.empty());
  REQUIRE(read_all("\n", 10, 4, 4).lines == std::vector<std::string>{""});
}

TEST_CASE("lines above the limit are dropped and counted", "[unit][data]") {
  const std::string text = "ok\n" + std::string(10, 'x') + "\n" + std::string(11, 'y') +
                           "\nfine\n" + std::string(500, 'z') + "\nend\n" + std::string(300, 'w');
  for (const size_t block : {1U, 2U, 3U, 7U, 64U, 1000U}) {
    CAPTURE(block);
    const Read read = read_all(text, 10, block, 1000);
    REQUIRE(read.lines == std::vector<std::string>{"ok", "xxxxxxxxxx", "fine", "end"});
    REQUIRE(read.too_long == std::vector<int64_t>{3, 5, 7});
  }
}

TEST_CASE("a chunk never grows far beyond the limit of a line", "[unit][data]") {
  int64_t left = 10'000'000;  // one endless line
  size_t largest = 0;
  LineReader reader(
      [&](std::span<char> out) {
        const int64_t count = std::min<int64_t>(left, static_cast<int64_t>(out.size()));
        std::memset(out.data(), 'x', static_cast<size_t>(count));
        left -= count;
        return count;
      },
      1000, 256);
  for (LineChunk chunk; reader.next(chunk);) largest = std::max(largest, chunk.text.capacity());
  REQUIRE(left == 0);
  REQUIRE(largest < 4000);
}
