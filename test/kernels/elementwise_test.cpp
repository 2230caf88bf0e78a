#include "kernels/elementwise.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "support/random_tensor.h"
#include "support/run_on.h"

using namespace swallow;
using namespace swallow::test;

TEST_CASE("add rounds the sum once and may overwrite its input", "[unit][device][elementwise]") {
  const auto device = GENERATE(from_range(devices()));
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  const auto count = GENERATE(int64_t{1}, 31, 32, 33, 4099, 11008);
  const auto offset = GENERATE(int64_t{0}, 1);
  if (!computes(device, dtype)) return;
  INFO(to_string(device) << " " << name_of(dtype) << " [" << count << "] offset " << offset);
  const TestTensor a = random_tensor(dtype, {count}, 1);
  const TestTensor b = random_tensor(dtype, {count}, 2);
  const TestTensor y = empty_tensor(dtype, {count});
  std::vector<double> want = to_doubles(a.tensor);
  const auto addend = to_doubles(b.tensor);
  for (size_t i = 0; i < want.size(); ++i) want[i] = round_to(dtype, want[i] + addend[i]);
  Stream one(device, 1);
  Stream three(device, 3);
  run_on(one, Add{.a = a.tensor, .b = b.tensor, .y = y.tensor}, offset);
  REQUIRE(to_doubles(y.tensor) == want);
  run_on(three, Add{.a = a.tensor, .b = b.tensor, .y = b.tensor}, offset);
  REQUIRE(same_bits(b.tensor, y.tensor));
  run_on(three, Add{.a = a.tensor, .b = a.tensor, .y = y.tensor}, offset);
  want = to_doubles(a.tensor);
  for (double& value : want) value *= 2;
  REQUIRE(to_doubles(y.tensor) == want);
}

TEST_CASE("cast rounds to nearest even between all types", "[unit][device][elementwise]") {
  const auto device = GENERATE(from_range(devices()));
  const auto from = GENERATE(DType::f32, DType::bf16, DType::f64);
  const auto to = GENERATE(DType::f32, DType::bf16, DType::f64);
  const auto count = GENERATE(int64_t{1}, 3, 4, 1024, 4099);
  const auto offset = GENERATE(int64_t{0}, 1);
  if (!computes(device, from) || !computes(device, to)) return;
  INFO(to_string(device) << " " << name_of(from) << " to " << name_of(to) << " [" << count
                         << "] offset " << offset);
  const TestTensor x = random_tensor(from, {count}, 1);
  const TestTensor y = empty_tensor(to, {count});
  Stream stream(device, 3);
  run_on(stream, Cast{.x = x.tensor, .y = y.tensor}, offset);
  std::vector<double> want = to_doubles(x.tensor);
  for (double& value : want) value = round_to(to, value);
  REQUIRE(to_doubles(y.tensor) == want);
}

TEST_CASE("cast to bf16 breaks ties to even and keeps infinity and NaN",
          "[unit][device][elementwise]") {
  const auto device = GENERATE(from_range(devices()));
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const TestTensor x = empty_tensor(DType::f32, {6});
  const TestTensor y = empty_tensor(DType::bf16, {6});
  const float values[] = {1 + 0x1p-8F, 1 + 0x3p-8F,   -1 - 0x1.8p-8F,
                          -kInfinity,  std::nanf(""), std::numeric_limits<float>::max()};
  std::copy(std::begin(values), std::end(values), x.tensor.as<float>());
  Stream stream(device);
  run_on(stream, Cast{.x = x.tensor, .y = y.tensor});
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

TEST_CASE("a GPU refuses to add or cast f64", "[cuda][elementwise]") {
  const auto gpu = find_gpu("the refusal of f64");
  if (!gpu) return;
  const TestTensor x = empty_tensor(DType::f64, {4});
  const TestTensor y = empty_tensor(DType::f32, {4});
  Stream stream(*gpu);
  REQUIRE_THROWS_WITH(run_on(stream, Add{.a = x.tensor, .b = x.tensor, .y = x.tensor}),
                      Catch::Matchers::Contains("bf16 or f32"));
  REQUIRE_THROWS_WITH(run_on(stream, Cast{.x = x.tensor, .y = y.tensor}),
                      Catch::Matchers::Contains("bf16 or f32"));
}
