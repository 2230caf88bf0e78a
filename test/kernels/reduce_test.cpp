#include "kernels/reduce.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "support/cpu_levels.h"
#include "support/random_tensor.h"
#include "support/run_on.h"

using namespace swallow;
using namespace swallow::test;

namespace {

using Limbs = std::vector<int64_t>;

/// The accumulator's limbs as the op leaves them.
Limbs sum_of_squares(Stream& stream, const Tensor& x, int64_t offset = 0) {
  const TestTensor sum = empty_tensor(DType::i64, {ExactSum::kLimbs});
  run_on(stream, SumSquares{.x = x, .sum = sum.tensor}, offset);
  const auto* limbs = sum.tensor.as<int64_t>();
  return {limbs, limbs + ExactSum::kLimbs};
}

double value_of(Limbs limbs) {
  return ExactSum::value(limbs.data());
}

/// The contract spelled out: blocks in element order, block sums into the accumulator.
Limbs reference(const Tensor& x) {
  Limbs limbs(ExactSum::kLimbs);
  const auto values = to_doubles(x);
  for (size_t begin = 0; begin < values.size(); begin += kReduceBlock) {
    const size_t end = std::min(begin + kReduceBlock, values.size());
    double sum = 0;
    for (size_t i = begin; i < end; ++i) {
      const double square = values[i] * values[i];
      sum += square;
    }
    ExactSum::add(limbs.data(), sum);
  }
  return limbs;
}

}  // namespace

TEST_CASE("sum of squares matches an extended-precision reference", "[unit][device][reduce]") {
  const auto device = GENERATE(from_range(devices()));
  const auto dtype = GENERATE(DType::f32, DType::f64);
  const auto count = GENERATE(int64_t{1}, 31, 255, 256, 257, 4099);
  const auto offset = GENERATE(int64_t{0}, 1);
  if (!computes(device, dtype)) return;
  INFO(to_string(device) << " " << name_of(dtype) << " [" << count << "] offset " << offset);
  const TestTensor x = random_tensor(dtype, {count}, 1, 1e-3);
  long double want = 0;
  for (const double value : to_doubles(x.tensor))
    want += static_cast<long double>(value) * static_cast<long double>(value);
  Stream stream(device);
  REQUIRE(value_of(sum_of_squares(stream, x.tensor, offset)) ==
          Approx(static_cast<double>(want)).epsilon(1e-14));
}

TEST_CASE("sum of squares leaves the same limbs on all devices", "[unit][device][reduce]") {
  const auto device = GENERATE(from_range(devices()));
  // 8192 elements are a warp's share of a GPU, 4 * 8192 a block's.
  const auto count = GENERATE(int64_t{1}, 3, 255, 257, 4096, 8191, 8193, 40003);
  const auto offset = GENERATE(int64_t{0}, 1, 2);
  // Squares from 2^-298 to 2^256: every digit that floats can reach, and many in one warp.
  const auto spread = GENERATE(0, 20, 135);
  INFO(to_string(device) << " [" << count << "] offset " << offset << " spread " << spread);
  const TestTensor x = random_tensor(DType::f32, {count}, 4);
  auto* values = x.tensor.as<float>();
  for (int64_t i = 0; i < count && spread > 0; ++i) {
    const auto exponent = static_cast<int>(i / 97 * 31 % (2 * spread)) - spread;
    values[i] = std::ldexp(values[i], std::clamp(exponent, -149, 125));
  }
  const Limbs want = reference(x.tensor);
  Stream stream(device, 2);
  for_each_level(stream, [&] { REQUIRE(sum_of_squares(stream, x.tensor, offset) == want); });
}

TEST_CASE("sum of squares has the same bits however blocks are split", "[unit][device][reduce]") {
  const auto device = GENERATE(from_range(devices()));
  const auto dtype = GENERATE(DType::f32, DType::f64);
  if (!computes(device, dtype)) return;
  constexpr int64_t kCount = 40 * kReduceBlock + 17;
  const TestTensor x = random_tensor(dtype, {kCount}, 2);
  Stream single(device, 1);
  const Limbs whole = sum_of_squares(single, x.tensor);
  for (const int threads : {2, 3, 8}) {
    Stream stream(device, threads);
    REQUIRE(sum_of_squares(stream, x.tensor) == whole);
  }

  for (const int64_t blocks : {1, 3, 39}) {  // shards of so many blocks, the last one first
    const TestTensor sum = empty_tensor(DType::i64, {ExactSum::kLimbs});
    const int64_t shard = blocks * kReduceBlock;
    for (int64_t begin = (kCount - 1) / shard * shard; begin >= 0; begin -= shard)
      run_on(single, SumSquares{.x = x.tensor.rows(begin, std::min(begin + shard, kCount)),
                                .sum = sum.tensor});
    REQUIRE(Limbs(sum.tensor.as<int64_t>(), sum.tensor.as<int64_t>() + ExactSum::kLimbs) == whole);
  }
}

TEST_CASE("sum of squares is right when a GPU's blocks go round several times",
          "[device][reduce]") {
  const auto device = GENERATE(from_range(devices()));
  // Of the emulated GPU, whose four multiprocessors take a million elements at a time; an H200
  // takes 34 million.
  constexpr int64_t kCount = 2 * 1048576 + 8192 + 257;
  const TestTensor x = empty_tensor(DType::f32, {kCount});
  auto* values = x.tensor.as<float>();
  for (int64_t i = 0; i < kCount; ++i) values[i] = static_cast<float>(i * 7919 % 10007) * 1e-3F;
  Stream stream(device, 2);
  REQUIRE(sum_of_squares(stream, x.tensor) == reference(x.tensor));
}

TEST_CASE("sum of squares adds to what the accumulator holds", "[unit][device][reduce]") {
  const auto device = GENERATE(from_range(devices()));
  const TestTensor x = empty_tensor(DType::f32, {2});
  x.tensor.as<float>()[0] = 3;
  const TestTensor sum = empty_tensor(DType::i64, {ExactSum::kLimbs});
  ExactSum::add(sum.tensor.as<int64_t>(), 0.5);
  Stream stream(device);
  run_on(stream, SumSquares{.x = x.tensor, .sum = sum.tensor});
  REQUIRE(ExactSum::value(sum.tensor.as<int64_t>()) == 9.5);
}

TEST_CASE("sum of squares shows an element that is not finite", "[unit][device][reduce]") {
  const auto device = GENERATE(from_range(devices()));
  const auto bad =
      GENERATE(std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN());
  const TestTensor x = random_tensor(DType::f32, {1000}, 3);
  x.tensor.as<float>()[700] = static_cast<float>(bad);
  Stream stream(device, 2);
  const Limbs limbs = sum_of_squares(stream, x.tensor);
  REQUIRE(limbs == reference(x.tensor));
  REQUIRE(std::isnan(value_of(limbs)));
}

TEST_CASE("sum of squares refuses bf16", "[unit][reduce]") {
  const TestTensor x = empty_tensor(DType::bf16, {4});
  Stream stream(Device{});
  REQUIRE_THROWS_WITH(sum_of_squares(stream, x.tensor), Catch::Matchers::Contains("SumSquares: x"));
}

TEST_CASE("a GPU refuses the sum of squares in f64", "[cuda][reduce]") {
  const auto gpu = find_gpu("the refusal of f64");
  if (!gpu) return;
  const TestTensor x = empty_tensor(DType::f64, {4});
  Stream stream(*gpu);
  REQUIRE_THROWS_WITH(sum_of_squares(stream, x.tensor), Catch::Matchers::Contains("takes f32"));
}
