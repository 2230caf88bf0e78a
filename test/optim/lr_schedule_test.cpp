#include "optim/lr_schedule.h"

#include <catch2/catch.hpp>
#include <cmath>

using swallow::LrDecayStyle;
using swallow::LrSchedule;

TEST_CASE("Swallow's 70B schedule warms up from zero and ends at the least rate", "[unit]") {
  const LrSchedule lr{5e-5, 1.6e-6, 1000, 25000, LrDecayStyle::cosine};
  REQUIRE(lr.at(0) == 0);
  REQUIRE(lr.at(1) == Approx(5e-8));
  REQUIRE(lr.at(1000) == Approx(5e-5));
  REQUIRE(lr.at(13000) == Approx((5e-5 + 1.6e-6) / 2));  // half-way through the decay
  REQUIRE(lr.at(25000) == Approx(1.6e-6));
  REQUIRE(lr.at(30000) == 1.6e-6);
}

TEST_CASE("the cosine's quarter point follows the formula", "[unit]") {
  const LrSchedule lr{1.0, 0.0, 0, 100, LrDecayStyle::cosine};
  REQUIRE(lr.at(0) == 1.0);
  REQUIRE(lr.at(25) == Approx(0.5 * (1 + std::sqrt(0.5))));
}

TEST_CASE("linear decay is a line and constant stays", "[unit]") {
  const LrSchedule linear{1.0, 0.2, 10, 110, LrDecayStyle::linear};
  REQUIRE(linear.at(60) == Approx(0.6));
  REQUIRE(linear.at(200) == 0.2);
  const LrSchedule constant{1.0, 0.2, 10, 110, LrDecayStyle::constant};
  REQUIRE(constant.at(5) == Approx(0.5));
  REQUIRE(constant.at(500) == 1.0);
}
