// A fixed-point accumulator for doubles in which addition is associative and commutative, so a sum
// has the same bits however its terms are spread over ranks (in the manner of Kulisch's long
// accumulator). The limbs are plain int64 and may be all-reduced as integers.
#pragma once

#include <array>
#include <cstdint>

namespace swallow {

/// Holds sums of non-negative doubles below 2^448, exact down to 2^-384. Up to 2^30 additions per
/// rank, and sums over up to 2^30 ranks after normalise().
class ExactSum {
 public:
  static constexpr int kDigits = 26;          // base-2^32 digits: weights 2^-384 .. 2^416
  static constexpr int kLimbs = kDigits + 1;  // and a count of non-finite terms

  /// Adds `value` >= 0; infinities and NaN are only counted.
  static void add(int64_t* limbs, double value);
  /// Carries, so that every digit is below 2^32. Does not change the value.
  static void normalise(int64_t* limbs);
  /// The sum rounded to double; NaN if a non-finite term was added. Normalises.
  static double value(int64_t* limbs);
};

}  // namespace swallow
