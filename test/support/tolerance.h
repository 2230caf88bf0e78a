// How far a kernel's result may lie from a double-precision reference: one table for every op.
// |got - want| <= absolute + relative * |want|. The reference reads the same (already rounded)
// inputs and, for bf16, rounds its outputs like the kernel, so the bounds stay near one rounding.
#pragma once

#include "base/dtype.h"

namespace swallow::test {

struct Tolerance {
  double absolute = 0;
  double relative = 0;
};

/// Bound for results of order 1, each made of a short chain of operations or of a sum of at most a
/// few thousand terms of mixed sign.
constexpr Tolerance tolerance_for(DType dtype) {
  switch (dtype) {
    case DType::f64:
      // Unit roundoff 1.1e-16; a sum of n = 4096 terms in fixed order errs by about sqrt(n) of it
      // relative to the terms' norm, 7e-15, and up to ten times that where chains are cancelled.
      return {1e-13, 1e-13};
    case DType::f32:
      // Unit roundoff 6e-8; sqrt(4096) of it is 4e-6 for long sums, and exp and rsqrt cost a few
      // roundings more.
      return {1e-5, 1e-5};
    case DType::bf16:
      // Sums are in f32, then rounded once to 8 bits: the kernel and the rounded reference may fall
      // on neighbouring values, at most 2^-7 apart relative to the smaller; near zero, the f32
      // error above dominates.
      return {1e-5, 0x1p-7};
    default:
      return {};  // integers are exact
  }
}

/// The bound for sums whose terms are `scale` in norm: cancellation leaves errors of that size.
constexpr Tolerance tolerance_for(DType dtype, double scale) {
  const Tolerance base = tolerance_for(dtype);
  return {base.absolute * (scale > 1 ? scale : 1), base.relative};
}

/// Central differences in f64 with step 1e-5: truncation h^2 f'''/6 is about 1e-10 and rounding
/// eps |f| / h about 1e-11 times the size of f; a wrong formula is off by a few per cent at least.
inline constexpr Tolerance kGradcheckTolerance = {1e-7, 1e-6};

}  // namespace swallow::test
