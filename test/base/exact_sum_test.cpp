#include "base/exact_sum.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

using swallow::ExactSum;
using Limbs = std::array<int64_t, ExactSum::kLimbs>;

TEST_CASE("exact sum has the same bits whatever the order and the split over ranks", "[unit]") {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> exponent(-200, 200);
  std::vector<double> terms(1000);
  for (double& term : terms) term = std::exp2(exponent(random)) * (1 + exponent(random) * 1e-3);
  for (double& term : terms) term = std::fabs(term);

  Limbs whole{};
  for (const double term : terms) ExactSum::add(whole.data(), term);
  const double want = ExactSum::value(whole.data());

  for (int ranks : {2, 3, 7}) {
    std::shuffle(terms.begin(), terms.end(), random);
    Limbs total{};
    for (int rank = 0; rank < ranks; ++rank) {
      Limbs part{};
      for (size_t i = static_cast<size_t>(rank); i < terms.size(); i += static_cast<size_t>(ranks))
        ExactSum::add(part.data(), terms[i]);
      ExactSum::normalise(part.data());
      for (size_t i = 0; i < part.size(); ++i) total[i] += part[i];
    }
    REQUIRE(ExactSum::value(total.data()) == want);
  }
}

TEST_CASE("exact sum agrees with long double where that is exact enough", "[unit]") {
  Limbs limbs{};
  long double reference = 0;
  for (int i = 1; i <= 10000; ++i) {
    const double term = 1.0 / i / i;
    ExactSum::add(limbs.data(), term);
    reference += term;
  }
  REQUIRE(ExactSum::value(limbs.data()) == Approx(static_cast<double>(reference)).epsilon(1e-15));
}

TEST_CASE("exact sum reports non-finite and too large terms as NaN", "[unit]") {
  for (const double bad : {std::numeric_limits<double>::infinity(), std::nan(""), 1e300}) {
    Limbs limbs{};
    ExactSum::add(limbs.data(), 1.0);
    ExactSum::add(limbs.data(), bad);
    REQUIRE(std::isnan(ExactSum::value(limbs.data())));
  }
}

TEST_CASE("exact sum keeps its range to the last bit and truncates below it", "[unit]") {
  const auto sum_of = [](std::initializer_list<double> terms) {
    Limbs limbs{};
    for (const double term : terms) ExactSum::add(limbs.data(), term);
    return ExactSum::value(limbs.data());
  };
  const double largest = std::nextafter(0x1p436, 0.0);
  REQUIRE(sum_of({largest}) == largest);
  REQUIRE(std::isnan(sum_of({0x1p436})));
  REQUIRE(sum_of({0x1p-384, 0x1p-384}) == 0x1p-383);
  REQUIRE(sum_of({0x1.8p-384}) == 0x1p-384);
  for (const double lost :
       {0.0, 0x1.fp-385, 0x1p-460, 0x1p-1000, std::numeric_limits<double>::denorm_min()})
    REQUIRE(sum_of({0x1p-300, lost}) == 0x1p-300);
  // Every place that a mantissa can take within its digits.
  for (int exponent = -331; exponent < 436; ++exponent) {
    const double term = std::ldexp(0x1.fffffffffffffp-1, exponent);
    REQUIRE(sum_of({term}) == term);
  }
}
