// An fp32 number as the bf16 number nearest to it and its own 16 low bits: how a master weight is
// kept beside its parameter in two bytes, and exactly. Integers only and constexpr, so that GPU
// kernels cut and join by the very same operations.
#pragma once

#include <bit>
#include <cstdint>

namespace swallow {

struct SplitFloat {
  uint16_t bf16 = 0;  // the number rounded to nearest, ties away from zero
  uint16_t low = 0;   // its low bits
};

/// Ties go away from zero, so that the low bits alone tell whether the upper half was rounded up;
/// after ties to even, as of bfloat16, an even bf16 above a low half of 0x8000 would stand for two
/// numbers. The two roundings differ on exact ties only. Numbers beyond the largest bf16 round to
/// infinity and still come back exactly. A NaN stays a NaN, rounded or joined again, but may become
/// another one.
constexpr SplitFloat split_float(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto low = static_cast<uint16_t>(bits);
  // Without this case the addition would carry the largest NaN into zero.
  if ((bits & 0x7fffffffU) > 0x7f800000U)
    return {static_cast<uint16_t>((bits >> 16U) | 0x40U), low};
  return {static_cast<uint16_t>((bits + 0x8000U) >> 16U), low};
}

/// The number that was split: bit for bit, unless it was a NaN.
constexpr float join_float(SplitFloat split) {
  const uint32_t upper = uint32_t{split.bf16} - (split.low >> 15U);
  return std::bit_cast<float>(upper << 16U | split.low);
}

}  // namespace swallow
