#include "kernels/elementwise.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "support/random_tensor.h"

using namespace swallow;
using namespace swallow::test;

TEST_CASE("add rounds the sum once and may overwrite its input", "[unit][elementwise]") {
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  const auto count = GENERATE(int64_t{1}, 31, 32, 33, 4099);
  const TestTensor a = random_tensor(dtype, {count}, 1);
  const TestTensor b = random_tensor(dtype, {count}, 2);
  const TestTensor y = empty_tensor(dtype, {count});
  std::vector<double> want = to_doubles(a.tensor);
  const auto addend = to_doubles(b.tensor);
  for (size_t i = 0; i < want.size(); ++i) want[i] = round_to(dtype, want[i] + addend[i]);
  Stream one(Device{}, 1);
  Stream three(Device{}, 3);
  launch(one, Add{.a = a.tensor, .b = b.tensor, .y = y.tensor});
  REQUIRE(to_doubles(y.tensor) == want);
  launch(three, Add{.a = a.tensor, .b = b.tensor, .y = a.tensor});
  REQUIRE(same_bits(a.tensor, y.tensor));
}

TEST_CASE("cast rounds to nearest even between all types", "[unit][elementwise]") {
  const auto from = GENERATE(DType::f32, DType::bf16, DType::f64);
  const auto to = GENERATE(DType::f32, DType::bf16, DType::f64);
  const TestTensor x = random_tensor(from, {4099}, 1);
  const TestTensor y = empty_tensor(to, {4099});
  Stream stream(Device{}, 3);
  launch(stream, Cast{.x = x.tensor, .y = y.tensor});
  std::vector<double> want = to_doubles(x.tensor);
  for (double& value : want) value = round_to(to, value);
  REQUIRE(to_doubles(y.tensor) == want);
}

TEST_CASE("cast to bf16 breaks ties to even and keeps infinity and NaN", "[unit][elementwise]") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const TestTensor x = empty_tensor(DType::f32, {6});
  const TestTensor y = empty_tensor(DType::bf16, {6});
  const float values[] = {1 + 0x1p-8F, 1 + 0x3p-8F,   -1 - 0x1.8p-8F,
                          -kInfinity,  std::nanf(""), std::numeric_limits<float>::max()};
  std::copy(std::begin(values), std::end(values), x.tensor.as<float>());
  Stream stream(Device{});
  launch(stream, Cast{.x = x.tensor, .y = y.tensor});
  const auto got = to_doubles(y.tensor);
  REQUIRE(got[0] == 1);
  REQUIRE(got[1] == 1 + 0x1p-6);
  REQUIRE(got[2] == -1 - 0x1p-7);
  REQUIRE(got[3] == -std::numeric_limits<double>::infinity());
  REQUIRE(std::isnan(got[4]));
  REQUIRE(got[5] == std::numeric_limits<double>::infinity());  // beyond the largest bf16
}

TEST_CASE("add refuses mixed types", "[unit][elementwise]") {
  const TestTensor a = empty_tensor(DType::f32, {4});
  const TestTensor b = empty_tensor(DType::bf16, {4});
  const Add op{.a = a.tensor, .b = b.tensor, .y = a.tensor};
  REQUIRE_THROWS_WITH(op.check(), Catch::Matchers::Contains("Add: b is bf16 [4]"));
}
