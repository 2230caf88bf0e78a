#include "checkpoint/pieces.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>

using namespace swallow;

namespace {

/// Canonical (row, column) of each element of a range, one by one.
std::map<std::pair<int64_t, int64_t>, int64_t> elements(const CanonicalRange& range) {
  std::map<std::pair<int64_t, int64_t>, int64_t> result;
  int64_t index = 0;
  for (int64_t row = range.row_begin; row < range.row_end; ++row)
    for (int64_t column = range.column_begin; column < range.column_end; ++column, ++index)
      if (index >= range.begin && index < range.end) result[{row, column}] = index - range.begin;
  return result;
}

CanonicalRange random_range(std::mt19937& random) {
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  CanonicalRange range;
  range.row_begin = pick(0, 5);
  range.row_end = pick(range.row_begin + 1, 7);
  range.column_begin = pick(0, 5);
  range.column_end = pick(range.column_begin + 1, 7);
  range.begin = pick(0, range.area() - 1);
  range.end = pick(range.begin, range.area());
  return range;
}

}  // namespace

TEST_CASE("overlapping ranges share exactly their common elements", "[unit]") {
  std::mt19937 random(20240817);
  for (int trial = 0; trial < 5000; ++trial) {
    const CanonicalRange source = random_range(random);
    const CanonicalRange destination = random_range(random);
    const auto from = elements(source);
    const auto to = elements(destination);
    std::map<int64_t, int64_t> expected;  // destination offset -> source offset
    for (const auto& [at, offset] : to)
      if (const auto found = from.find(at); found != from.end()) expected[offset] = found->second;
    std::map<int64_t, int64_t> actual;
    for (const OverlapRun& run : overlap_runs(source, destination))
      for (int64_t i = 0; i < run.count; ++i) {
        INFO("trial " << trial);
        REQUIRE(actual.emplace(run.destination + i, run.source + i).second);
      }
    INFO("trial " << trial);
    REQUIRE(actual == expected);
  }
}

TEST_CASE("a range against itself is one run", "[unit]") {
  const CanonicalRange range{
      .row_begin = 3, .row_end = 9, .column_begin = 2, .column_end = 7, .begin = 4, .end = 23};
  REQUIRE(overlap_runs(range, range) == std::vector<OverlapRun>{{0, 0, 19}});
}
