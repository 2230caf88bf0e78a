// Small integer arithmetic that must not go wrong silently.
#pragma once

#include <cstdint>

#include "base/check.h"

namespace swallow {

constexpr int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
constexpr int64_t round_up(int64_t a, int64_t multiple) {
  return ceil_div(a, multiple) * multiple;
}

/// a / b, which must leave no remainder.
inline int64_t exact_div(int64_t a, int64_t b) {
  SWALLOW_CHECK(b > 0 && a % b == 0, "{} is not a multiple of {}", a, b);
  return a / b;
}

/// A narrowing conversion that throws when the value does not fit.
template <class To, class From>
To narrow(From value) {
  const To result = static_cast<To>(value);
  SWALLOW_CHECK(static_cast<From>(result) == value && ((result < To{}) == (value < From{})),
                "{} does not fit", value);
  return result;
}

}  // namespace swallow
