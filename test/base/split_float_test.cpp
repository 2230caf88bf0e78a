#include "base/split_float.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "base/dtype.h"

using namespace swallow;

namespace {

/// Calls fn(value, bits) for every upper half with low halves around each border, and for every low
/// half with some upper ones.
template <class Fn>
void for_many_floats(Fn&& fn) {
  const auto visit = [&](uint32_t bits) { fn(std::bit_cast<float>(bits), bits); };
  for (uint32_t upper = 0; upper < 0x10000; ++upper)
    for (const uint32_t low : {0x0000U, 0x0001U, 0x1234U, 0x7fffU, 0x8000U, 0x8001U, 0xffffU})
      visit(upper << 16U | low);
  for (const uint32_t upper : {0x0000U, 0x0001U, 0x007fU, 0x0080U, 0x3f80U, 0x3fffU, 0x7f7fU,
                               0x7f80U, 0x8000U, 0xbf80U, 0xff7fU})
    for (uint32_t low = 0; low < 0x10000; ++low) visit(upper << 16U | low);
}

bfloat16 rounded(float value) {
  bfloat16 result;
  result.bits = split_float(value).bf16;
  return result;
}

}  // namespace

TEST_CASE("every float is joined again bit for bit from its halves", "[unit]") {
  int64_t wrong = 0;
  for_many_floats([&](float value, uint32_t bits) {
    const float joined = join_float(split_float(value));
    if (std::isnan(value))
      wrong += std::isnan(joined) ? 0 : 1;
    else
      wrong += std::bit_cast<uint32_t>(joined) == bits ? 0 : 1;
  });
  REQUIRE(wrong == 0);
}

TEST_CASE("the upper half is the nearest bf16, as of ties to even but for the ties", "[unit]") {
  int64_t wrong = 0;
  for_many_floats([&](float value, uint32_t bits) {
    const bfloat16 got = rounded(value);
    const bfloat16 even(value);
    if (std::isnan(value)) {
      wrong += std::isnan(static_cast<float>(got)) ? 0 : 1;
      return;
    }
    const bool tie = (bits & 0xffffU) == 0x8000U;
    const bool odd_below = ((bits >> 16U) & 1U) != 0;
    wrong += got.bits == even.bits + (tie && !odd_below ? 1 : 0) ? 0 : 1;
  });
  REQUIRE(wrong == 0);
}

TEST_CASE("ties go away from zero, and overflow goes to infinity and back", "[unit]") {
  CHECK(static_cast<float>(rounded(1.0F + 0x1p-8F)) == 1.0F + 0x1p-7F);
  CHECK(static_cast<float>(rounded(-1.0F - 0x1p-8F)) == -1.0F - 0x1p-7F);
  CHECK(static_cast<float>(rounded(0x1.01fffep0F)) == 0x1.02p0F);
  const float largest = std::numeric_limits<float>::max();
  CHECK(std::isinf(static_cast<float>(rounded(largest))));
  CHECK(join_float(split_float(largest)) == largest);
  CHECK(join_float(split_float(-largest)) == -largest);
  // Of a bf16 number nothing is left over.
  CHECK(split_float(-2.5F).low == 0);
  CHECK(split_float(-2.5F).bf16 == bfloat16(-2.5F).bits);
}
