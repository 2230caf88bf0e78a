// Checks a hand-written gradient by central differences in f64.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <span>
#include <vector>

#include "support/random_tensor.h"
#include "support/tolerance.h"
#include "tensor/tensor.h"

namespace swallow::test {

/// `loss()` recomputes the scalar loss from the present contents of `x` (f64); `gradient` is the
/// claimed d loss / d x. Every element is tried, or `samples` of them evenly spread when x is
/// large.
inline void gradcheck(const std::function<double()>& loss, const Tensor& x,
                      std::span<const double> gradient, int64_t samples = 256,
                      Tolerance tolerance = kGradcheckTolerance) {
  constexpr double kStep = 1e-5;
  REQUIRE(x.numel() == static_cast<int64_t>(gradient.size()));
  auto* values = x.as<double>();
  const int64_t stride = std::max<int64_t>(x.numel() / samples, 1);
  for (int64_t i = 0; i < x.numel(); i += stride) {
    const double saved = values[i];
    values[i] = saved + kStep;
    const double above = loss();
    values[i] = saved - kStep;
    const double below = loss();
    values[i] = saved;
    const double numeric = (above - below) / (2 * kStep);
    const double claimed = gradient[static_cast<size_t>(i)];
    const double bound = tolerance.absolute + tolerance.relative * std::abs(numeric);
    if (std::abs(claimed - numeric) <= bound) continue;
    FAIL(fmt::format("element {}: gradient {}, central difference {}, bound {}", i, claimed,
                     numeric, bound));
  }
  SUCCEED();
}

/// A scalar loss of a tensor: its dot product with fixed weights, whose gradient is the weights.
inline double dot(const Tensor& y, std::span<const double> weights) {
  const std::vector<double> values = to_doubles(y);
  REQUIRE(values.size() == weights.size());
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) sum += values[i] * weights[i];
  return sum;
}

}  // namespace swallow::test
