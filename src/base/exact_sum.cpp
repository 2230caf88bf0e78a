#include "base/exact_sum.h"

#include <cmath>
#include <limits>

namespace swallow {

namespace {
constexpr int kLowestExponent = -384;  // weight of digit 0
constexpr int kDigitBits = 32;
}  // namespace

void ExactSum::add(int64_t* limbs, double value) {
  if (!std::isfinite(value)) {
    ++limbs[kDigits];
    return;
  }
  if (value == 0) return;
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);  // value = fraction * 2^exponent
  auto mantissa = static_cast<uint64_t>(std::ldexp(fraction, 53));
  int shift = exponent - 53 - kLowestExponent;
  if (shift < 0) {  // below the last digit: the same truncation whatever the order
    mantissa = shift > -64 ? mantissa >> -shift : 0;
    shift = 0;
  }
  const int digit = shift / kDigitBits;
  if (digit + 2 >= kDigits) {
    ++limbs[kDigits];
    return;
  }
  const auto wide = static_cast<unsigned __int128>(mantissa) << (shift % kDigitBits);
  limbs[digit] += static_cast<int64_t>(static_cast<uint32_t>(wide));
  limbs[digit + 1] += static_cast<int64_t>(static_cast<uint32_t>(wide >> kDigitBits));
  limbs[digit + 2] += static_cast<int64_t>(static_cast<uint32_t>(wide >> (2 * kDigitBits)));
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
