// A fixed-point accumulator for doubles in which addition is associative and commutative, so a sum
// has the same bits however its terms are spread over ranks (in the manner of Kulisch's long
// accumulator). The limbs are plain int64 and may be all-reduced as integers.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace swallow {

/// Holds sums of non-negative doubles below 2^436, exact down to 2^-384. Up to 2^30 additions per
/// rank, and sums over up to 2^30 ranks after normalise().
class ExactSum {
 public:
  static constexpr int kDigits = 26;          // base-2^32 digits: weights 2^-384 .. 2^416
  static constexpr int kLimbs = kDigits + 1;  // and a count of non-finite terms

  /// What a term adds to the limbs from `limb` on.
  struct Term {
    int limb = 0;
    uint32_t part[3] = {};
  };
  /// For `value` >= 0. Infinities, NaN and what is too large add one to the last limb.
  static constexpr Term term(double value);

  /// Adds `value` >= 0; infinities and NaN are only counted.
  static void add(int64_t* limbs, double value);
  /// Carries, so that every digit is below 2^32. Does not change the value.
  static void normalise(int64_t* limbs);
  /// The sum rounded to double; NaN if a non-finite term was added. Normalises.
  static double value(int64_t* limbs);

 private:
  static constexpr int kLowestExponent = -384;  // weight of digit 0
  static constexpr int kDigitBits = 32;
};

// Integers only and constexpr, so that GPU kernels add the very same terms.
constexpr ExactSum::Term ExactSum::term(double value) {
  const auto bits = std::bit_cast<uint64_t>(value);
  const int exponent = static_cast<int>(bits >> 52U) & 0x7ff;
  // value = mantissa * 2^(exponent - 1075), except for subnormal ones, far below the last digit.
  uint64_t mantissa = (bits & ((uint64_t{1} << 52U) - 1)) | uint64_t{exponent > 0} << 52U;
  int shift = exponent - 1075 - kLowestExponent;
  if (shift < 0) {  // below the last digit: the same truncation whatever the order
    mantissa = shift > -64 ? mantissa >> -shift : 0;
    shift = 0;
  }
  const int digit = shift / kDigitBits;
  if (digit + 2 >= kDigits) return {kDigits, {1, 0, 0}};
  const int left = shift % kDigitBits;
  return {digit,
          {static_cast<uint32_t>(mantissa << left),
           static_cast<uint32_t>(mantissa >> (kDigitBits - left)),
           // In two steps: a shift by 64 is undefined.
           static_cast<uint32_t>(mantissa >> kDigitBits >> (kDigitBits - left))}};
}

}  // namespace swallow
