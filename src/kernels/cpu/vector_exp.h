// exp that a compiler can vectorise: no call, no branch. glibc's expf costs more than the products
// around it.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace swallow::cpu {

/// exp(x) for x <= 88, to 2 units in the last place; 0 below -87, NaN for NaN.
/// x = n ln 2 + r with |r| <= ln(2)/2; e^r by its series, whose ninth term is below 5e-9.
[[gnu::always_inline]] inline float vector_exp(float x) {
  constexpr float round = 0x1.8p23F;        // adding it leaves the nearest integer in the low bits
  constexpr float ln2_high = 0x1.62e4p-1F;  // few bits: n * high is exact
  constexpr auto ln2_low = static_cast<float>(std::numbers::ln2 - 0x1.62e4p-1);
  const float shifted = x * static_cast<float>(std::numbers::log2e) + round;
  const float n = shifted - round;
  const float r = (x - n * ln2_high) - n * ln2_low;
  float series = 1.0F / 5040;
  series = series * r + 1.0F / 720;
  series = series * r + 1.0F / 120;
  series = series * r + 1.0F / 24;
  series = series * r + 1.0F / 6;
  series = series * r + 0.5F;
  series = series * r * r + r + 1;
  // 2^n: n sits in the low bits of `shifted`; its exponent field is n + 127.
  const uint32_t exponent = (__builtin_bit_cast(uint32_t, shifted) + 127U) << 23U;
  const float result = series * __builtin_bit_cast(float, exponent);
  return x < -87.0F ? 0.0F : result;
}

inline double vector_exp(double x) {
  return std::exp(x);  // f64 serves gradient checks, where speed does not matter
}

}  // namespace swallow::cpu
