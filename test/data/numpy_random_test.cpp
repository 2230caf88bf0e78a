#include "data/numpy_random.h"

#include <catch2/catch.hpp>
#include <numeric>
#include <vector>

#include "data/fixtures.h"

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

// Hashes of numpy.random.RandomState(seed).shuffle(numpy.arange(count)), NumPy 2.4.6.
TEST_CASE("long shuffles are NumPy's on both sides of a power of two", "[unit][data]") {
  struct Known {
    size_t count;
    uint32_t seed;
    uint64_t hash;
  };
  for (const Known& known : std::vector<Known>{{1000, 0, 0xec1900e185b845cdULL},
                                               {1000, 1234, 0xe67867671d2bfd39ULL},
                                               {1024, 42, 0xe43300e422144defULL},
                                               {1024, 1234, 0x3c5779df87c77ee3ULL},
                                               {1025, 0, 0xfb75bf8cc6c5dec7ULL},
                                               {1025, 1234, 0xb0f4c7c9ceaef845ULL},
                                               {65537, 42, 0x3cb9f0457a97b05bULL},
                                               {65537, 1234, 0x565b37c060942b31ULL},
                                               {100003, 1234, 0x753b344732ea68bcULL}}) {
    CAPTURE(known.count, known.seed);
    const std::vector<uint32_t> values = permutation(known.seed, known.count);
    REQUIRE(swallow::test::Hash().add_all(values).value() == known.hash);
  }
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

// float(numpy.sum(w[:k])) of w[i] = (i * 2654435761 % 1000003) / 1000003, NumPy 2.4.6.
TEST_CASE("sums of doubles have numpy.sum's last bit", "[unit][data]") {
  std::vector<double> values;
  for (uint64_t i = 0; i < 300; ++i) {
    values.push_back(static_cast<double>(i * 2654435761ULL % 1000003) / 1000003);
  }
  const std::vector<std::pair<size_t, double>> known = {
      {7, 0x1.7deb964e5d2a2p+1},   {8, 0x1.fd3a1dbdd18dap+1},   {9, 0x1.19a55c432b48cp+2},
      {15, 0x1.faccf7c3e8e98p+2},  {16, 0x1.0abe446ff2ce9p+3},  {17, 0x1.25c691d435508p+3},
      {127, 0x1.073cf595053e4p+6}, {128, 0x1.088f325e7f3b2p+6}, {129, 0x1.0b977fc2c1bd1p+6},
      {137, 0x1.197440a908812p+6}, {256, 0x1.04a28b6f1fb74p+7}, {300, 0x1.317486a70bd0dp+7}};
  for (const auto& [count, sum] : known) {
    CAPTURE(count);
    REQUIRE(swallow::numpy_sum(std::span(values).first(count)) == sum);
  }
}
