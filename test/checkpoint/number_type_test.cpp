#include "checkpoint/number_type.h"

#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

using namespace swallow;

namespace {

template <class To, class From>
std::vector<To> converted(const std::vector<From>& from, NumberType from_type, NumberType to_type) {
  std::vector<To> to(from.size());
  (void)convert_numbers(std::as_bytes(std::span(from)), from_type,
                        std::as_writable_bytes(std::span(to)), to_type);
  return to;
}

/// By the definition of IEEE binary16: sign, 5 bits of exponent, 10 of fraction.
double half_value(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const double fraction = bits & 1023;
  const double size =
      exponent == 0 ? fraction * 0x1p-24 : (1024 + fraction) * std::pow(2.0, exponent - 25);
  return bits >> 15 != 0 ? -size : size;
}

/// Non-negative finite numbers of a 16-bit format with `digits` bits below the leading one, by
/// their bits: they ascend with them.
std::vector<double> all_values(uint16_t infinity, const std::function<double(uint16_t)>& value) {
  std::vector<double> values;
  for (uint32_t bits = 0; bits < infinity; ++bits)
    values.push_back(value(static_cast<uint16_t>(bits)));
  return values;
}

/// Bits of the nearest value; of two, the even one. Beyond the middle to the next power: infinity.
uint16_t nearest(const std::vector<double>& values, double x) {
  const double size = std::fabs(x);
  const double last = values.back();
  const double limit = last + (last - values[values.size() - 2]) / 2;
  size_t bits = values.size();
  if (size < limit) {
    const auto above = std::ranges::lower_bound(values, size);
    bits = static_cast<size_t>(std::min(above - values.begin(), std::ssize(values) - 1));
    if (bits > 0) {
      const double to_above = values[bits] - size;
      const double to_below = size - values[bits - 1];
      if (to_below < to_above || (to_below == to_above && bits % 2 == 1)) --bits;
    }
  }
  return static_cast<uint16_t>(bits | (std::signbit(x) ? 0x8000U : 0U));
}

double bf16_value(uint16_t bits) {
  return static_cast<double>(std::bit_cast<float>(uint32_t{bits} << 16U));
}

}  // namespace

TEST_CASE("every fp16 number comes back from fp32, bf16 and fp64 as its definition says",
          "[unit][checkpoint]") {
  std::vector<uint16_t> halves;
  for (uint32_t bits = 0; bits < 0x10000; ++bits)
    if ((bits >> 10 & 31) != 31) halves.push_back(static_cast<uint16_t>(bits));
  const auto floats = converted<float>(halves, NumberType::f16, NumberType::f32);
  const auto doubles = converted<double>(halves, NumberType::f16, NumberType::f64);
  for (size_t i = 0; i < halves.size(); ++i) {
    if (static_cast<double>(floats[i]) != half_value(halves[i]) || floats[i] != doubles[i])
      FAIL(halves[i]);
    if (std::signbit(floats[i]) != (halves[i] >> 15 != 0)) FAIL(halves[i]);
  }
  REQUIRE(converted<uint16_t>(floats, NumberType::f32, NumberType::f16) == halves);
  REQUIRE(converted<uint16_t>(doubles, NumberType::f64, NumberType::f16) == halves);
}

TEST_CASE("fp32 and fp64 are rounded once, to nearest, ties to even", "[unit][checkpoint]") {
  std::vector<double> numbers = {0.0,
                                 -0.0,
                                 65504,
                                 65519.99,
                                 65520,
                                 -65520,
                                 1e300,
                                 0x1p-24,
                                 0x1p-25,
                                 0x1.8p-25,
                                 0x1.000001p-25,
                                 5.96e-8,
                                 0x1p-14,
                                 0x1.ffcp-15,
                                 1e-45,
                                 1 + 0x1p-8 + 0x1p-40,
                                 1 + 0x1p-8 - 0x1p-40,
                                 0x1p-133,
                                 0x1p-134};
  std::mt19937 random(5);
  std::uniform_real_distribution<double> exponent(-30, 18);
  std::normal_distribution<double> normal;
  for (int i = 0; i < 20000; ++i) numbers.push_back(std::exp2(exponent(random)) * normal(random));
  // Ties: the middle of two neighbours.
  for (uint16_t bits = 0; bits < 0x7bff; bits = static_cast<uint16_t>(bits + 37))
    numbers.push_back((half_value(bits) + half_value(static_cast<uint16_t>(bits + 1))) / 2);
  const std::vector<double> halves = all_values(0x7c00, half_value);
  const std::vector<double> brains = all_values(0x7f80, bf16_value);

  const auto to_half = converted<uint16_t>(numbers, NumberType::f64, NumberType::f16);
  const auto to_brain = converted<uint16_t>(numbers, NumberType::f64, NumberType::bf16);
  std::vector<float> floats;
  for (const double number : numbers) floats.push_back(static_cast<float>(number));
  const auto half_of_float = converted<uint16_t>(floats, NumberType::f32, NumberType::f16);
  const auto brain_of_float = converted<uint16_t>(floats, NumberType::f32, NumberType::bf16);
  for (size_t i = 0; i < numbers.size(); ++i) {
    INFO(numbers[i]);
    if (to_half[i] != nearest(halves, numbers[i])) FAIL("fp16 of fp64");
    if (to_brain[i] != nearest(brains, numbers[i])) FAIL("bf16 of fp64");
    const auto single = static_cast<double>(floats[i]);
    if (std::isinf(single)) continue;
    if (half_of_float[i] != nearest(halves, single)) FAIL("fp16 of fp32");
    if (brain_of_float[i] != nearest(brains, single)) FAIL("bf16 of fp32");
  }
}

TEST_CASE("the first number that is not finite is told", "[unit][checkpoint]") {
  const auto first_bad = [](std::vector<float> numbers, NumberType to) {
    std::vector<std::byte> out(numbers.size() * static_cast<size_t>(size_of(to)));
    return convert_numbers(std::as_bytes(std::span(numbers)), NumberType::f32, out, to);
  };
  CHECK(first_bad({1, 2, 3}, NumberType::f32) == std::nullopt);
  CHECK(first_bad({1, NAN, INFINITY}, NumberType::f32) == 1);
  CHECK(first_bad({1, 2, -INFINITY}, NumberType::bf16) == 2);
  CHECK(first_bad({7e4F, 1}, NumberType::f16) == 0);
  CHECK(first_bad({7e4F, 1}, NumberType::bf16) == std::nullopt);
  CHECK(first_bad({3.4e38F}, NumberType::bf16) == 0);
  const std::vector<uint16_t> halves = {0x3c00, 0x7c01};
  std::vector<std::byte> out(8);
  CHECK(convert_numbers(std::as_bytes(std::span(halves)), NumberType::f16, out, NumberType::f32) ==
        1);
}
