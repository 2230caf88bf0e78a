#include "base/philox.h"

#include <catch2/catch.hpp>

// Known answers: Random123's published kat_vectors for philox4x32-10.
TEST_CASE("Philox4x32-10 gives the published known answers", "[unit]") {
  using swallow::philox;
  using swallow::PhiloxBlock;
  REQUIRE(philox({0, 0, 0, 0}, {0, 0}) ==
          PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  REQUIRE(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
          PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  REQUIRE(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
          PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("Philox normals have zero mean and unit variance", "[unit]") {
  double sum = 0;
  double squares = 0;
  constexpr int kCount = 100000;
  for (int i = 0; i < kCount; ++i) {
    const double x =
        swallow::philox_normal(1234, swallow::stream_of("w"), static_cast<uint64_t>(i));
    sum += x;
    squares += x * x;
  }
  REQUIRE(std::abs(sum / kCount) < 0.015);          // 4.7 standard errors
  REQUIRE(std::abs(squares / kCount - 1) < 0.025);  // 5.6 standard errors
}
