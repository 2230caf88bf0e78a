#include "data/split.h"

#include <catch2/catch.hpp>

#include "base/check.h"

using swallow::SequenceRange;
using swallow::split_ranges;

// Borders computed with NumPy and Python's round() by Megatron-core's rule.
TEST_CASE("split borders are Megatron-core's, ties to even", "[unit][data]") {
  using Ranges = std::array<SequenceRange, 3>;
  REQUIRE(split_ranges("949,50,1", 1000) == Ranges{{{0, 949}, {949, 999}, {999, 1000}}});
  REQUIRE(split_ranges("949,50,1", 12345) == Ranges{{{0, 11715}, {11715, 12333}, {12333, 12345}}});
  REQUIRE(split_ranges("969,30,1", 50) == Ranges{{{0, 48}, {48, 50}, {50, 50}}});
  REQUIRE(split_ranges("1,1", 5) == Ranges{{{0, 2}, {2, 5}, {5, 5}}});  // 2.5 goes to 2
  REQUIRE(split_ranges("1,1", 7) == Ranges{{{0, 4}, {4, 7}, {7, 7}}});  // 3.5 goes to 4
  REQUIRE(split_ranges("98,2", 25) == Ranges{{{0, 24}, {24, 25}, {25, 25}}});
  REQUIRE(split_ranges("949,50,1", 99999999) ==
          Ranges{{{0, 94899999}, {94899999, 99899999}, {99899999, 99999999}}});
  REQUIRE(split_ranges("0.5,0.25,0.25", 10) == Ranges{{{0, 5}, {5, 8}, {8, 10}}});
  REQUIRE(split_ranges("0,1", 9) == Ranges{{{0, 0}, {0, 9}, {9, 9}}});
}

TEST_CASE("split ranges tile the file whatever its size", "[unit][data]") {
  for (int64_t count = 0; count < 3000; ++count) {
    const auto ranges = split_ranges("949,50,1", count);
    REQUIRE(ranges[0].begin == 0);
    REQUIRE(ranges[1].begin == ranges[0].end);
    REQUIRE(ranges[2].begin == ranges[1].end);
    REQUIRE(ranges[2].end == count);
  }
}

TEST_CASE("a split that is not one to three shares is refused", "[unit][data]") {
  for (const char* split : {"", "a", "1,2,3,4", "1,,2", "-1,2", "nan", "inf,1", "0,0", "1e3", "1;2",
                            "0x10", "1,2,", " 1"}) {
    CAPTURE(split);
    REQUIRE_THROWS_AS(split_ranges(split, 10), swallow::ConfigError);
  }
}
