#include "kernels/reduce.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "support/random_tensor.h"

using namespace swallow;
using namespace swallow::test;

namespace {

double sum_of_squares(const Tensor& x, int threads = 1) {
  const TestTensor sum = empty_tensor(DType::i64, {ExactSum::kLimbs});
  Stream stream(Device{}, threads);
  launch(stream, SumSquares{.x = x, .sum = sum.tensor});
  return ExactSum::value(sum.tensor.as<int64_t>());
}

}  // namespace

TEST_CASE("sum of squares matches an extended-precision reference", "[unit][reduce]") {
  const auto dtype = GENERATE(DType::f32, DType::f64);
  const auto count = GENERATE(int64_t{1}, 31, 255, 256, 257, 4099);
  const TestTensor x = random_tensor(dtype, {count}, 1, 1e-3);
  long double want = 0;
  for (const double value : to_doubles(x.tensor))
    want += static_cast<long double>(value) * static_cast<long double>(value);
  REQUIRE(sum_of_squares(x.tensor) == Approx(static_cast<double>(want)).epsilon(1e-14));
}

TEST_CASE("sum of squares has the same bits however blocks are split", "[unit][reduce]") {
  const auto dtype = GENERATE(DType::f32, DType::f64);
  constexpr int64_t kCount = 40 * kReduceBlock + 17;
  const TestTensor x = random_tensor(dtype, {kCount}, 2);
  const double whole = sum_of_squares(x.tensor);
  for (const int threads : {2, 3, 8}) REQUIRE(sum_of_squares(x.tensor, threads) == whole);

  for (const int64_t blocks : {1, 3, 39}) {  // shards of so many blocks, the last one first
    const TestTensor sum = empty_tensor(DType::i64, {ExactSum::kLimbs});
    Stream stream(Device{});
    const int64_t shard = blocks * kReduceBlock;
    for (int64_t begin = (kCount - 1) / shard * shard; begin >= 0; begin -= shard)
      launch(stream, SumSquares{.x = x.tensor.rows(begin, std::min(begin + shard, kCount)),
                                .sum = sum.tensor});
    REQUIRE(ExactSum::value(sum.tensor.as<int64_t>()) == whole);
  }
}

TEST_CASE("sum of squares adds to what the accumulator holds", "[unit][reduce]") {
  const TestTensor x = empty_tensor(DType::f32, {2});
  x.tensor.as<float>()[0] = 3;
  const TestTensor sum = empty_tensor(DType::i64, {ExactSum::kLimbs});
  ExactSum::add(sum.tensor.as<int64_t>(), 0.5);
  Stream stream(Device{});
  launch(stream, SumSquares{.x = x.tensor, .sum = sum.tensor});
  REQUIRE(ExactSum::value(sum.tensor.as<int64_t>()) == 9.5);
}

TEST_CASE("sum of squares shows an element that is not finite", "[unit][reduce]") {
  const auto bad =
      GENERATE(std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN());
  const TestTensor x = random_tensor(DType::f32, {1000}, 3);
  x.tensor.as<float>()[700] = static_cast<float>(bad);
  REQUIRE(std::isnan(sum_of_squares(x.tensor, 2)));
}

TEST_CASE("sum of squares refuses bf16", "[unit][reduce]") {
  const TestTensor x = empty_tensor(DType::bf16, {4});
  REQUIRE_THROWS_WITH(sum_of_squares(x.tensor), Catch::Matchers::Contains("SumSquares: x"));
}
