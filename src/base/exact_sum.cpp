#include "base/exact_sum.h"

#include <cmath>
#include <limits>

namespace swallow {

void ExactSum::add(int64_t* limbs, double value) {
  const Term added = term(value);
  limbs[added.limb] += added.part[0];
  if (added.limb == kDigits) return;
  limbs[added.limb + 1] += added.part[1];
  limbs[added.limb + 2] += added.part[2];
}

void ExactSum::normalise(int64_t* limbs) {
  for (int i = 0; i + 1 < kDigits; ++i) {
    limbs[i + 1] += limbs[i] >> kDigitBits;
    limbs[i] &= 0xffffffffLL;
  }
}

double ExactSum::value(int64_t* limbs) {
  normalise(limbs);
  if (limbs[kDigits] != 0) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0;
  for (int i = kDigits - 1; i >= 0; --i)  // most significant first: a fixed order, tiny error
    sum += std::ldexp(static_cast<double>(limbs[i]), kLowestExponent + kDigitBits * i);
  return sum;
}

}  // namespace swallow
