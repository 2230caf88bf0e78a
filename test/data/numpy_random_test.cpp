#include "data/numpy_random.h"

#include <catch2/catch.hpp>
#include <numeric>
#include <vector>

using swallow::NumpyRandomState;

namespace {
std::vector<uint32_t> permutation(uint32_t seed, size_t count) {
  std::vector<uint32_t> values(count);
  std::iota(values.begin(), values.end(), 0U);
  NumpyRandomState(seed).shuffle(std::span(values));
  return values;
}
}  // namespace

TEST_CASE("the shuffle of ten is NumPy's published one", "[unit][data]") {
  REQUIRE(permutation(0, 10) == std::vector<uint32_t>{2, 8, 4, 9, 1, 6, 7, 3, 0, 5});
  REQUIRE(permutation(42, 10) == std::vector<uint32_t>{8, 1, 5, 0, 7, 2, 9, 4, 3, 6});
  REQUIRE(permutation(1234, 10) == std::vector<uint32_t>{7, 2, 9, 1, 0, 8, 4, 5, 6, 3});
}

TEST_CASE("a draw above 32 bits takes two outputs, the high word first", "[unit][data]") {
  std::mt19937 outputs(5489);
  const uint64_t high = outputs();
  const uint64_t low = outputs();
  NumpyRandomState random(5489);
  constexpr uint64_t kMax = (uint64_t{1} << 63) - 1;  // every masked draw is accepted
  REQUIRE(random.interval(kMax) == ((high << 32 | low) & kMax));
  REQUIRE(NumpyRandomState(5489).interval(0xffffffffU) == high);
}
