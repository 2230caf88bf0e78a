#include "base/dtype.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

using swallow::bfloat16;

TEST_CASE("bfloat16 rounds to nearest even", "[unit]") {
  REQUIRE(bfloat16(1.0F).bits == 0x3f80);
  REQUIRE(bfloat16(1.0F + 0x1p-8F).bits == 0x3f80);            // a tie goes to the even neighbour
  REQUIRE(bfloat16(1.0F + 0x1p-7F + 0x1p-8F).bits == 0x3f82);  // and up when that one is even
  REQUIRE(bfloat16(1.0F + 0x1.01p-8F).bits == 0x3f81);
  REQUIRE(bfloat16(-2.5F).bits == 0xc020);
}

TEST_CASE("bfloat16 keeps infinities and NaN, and overflows to infinity", "[unit]") {
  const float inf = std::numeric_limits<float>::infinity();
  REQUIRE(static_cast<float>(bfloat16(inf)) == inf);
  REQUIRE(static_cast<float>(bfloat16(std::numeric_limits<float>::max())) == inf);
  REQUIRE(std::isnan(static_cast<float>(bfloat16(std::nanf("")))));
  const auto low_payload =
      std::bit_cast<float>(0x7f800001U);  // a NaN whose upper half is infinity's
  REQUIRE(std::isnan(static_cast<float>(bfloat16(low_payload))));
}

TEST_CASE("every bfloat16 survives the way through float", "[unit]") {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    bfloat16 value;
    value.bits = static_cast<uint16_t>(bits);
    if (std::isnan(static_cast<float>(value))) continue;
    REQUIRE(bfloat16(static_cast<float>(value)).bits == bits);
  }
}
