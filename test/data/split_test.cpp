#include "data/split.h"

#include <catch2/catch.hpp>

#include "base/check.h"

using swallow::split_ranges;

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
