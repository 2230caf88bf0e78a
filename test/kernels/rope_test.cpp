#include "kernels/rope.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <complex>

#include "support/gradcheck.h"
#include "support/random_tensor.h"
#include "support/run_on.h"
#include "support/tolerance.h"

using namespace swallow;
using namespace swallow::test;

namespace {

constexpr double kBase = 10000;

/// `heads` query and key heads and one value head of size `head_dim`, for a batch of two.
struct Case {
  TestTensor qkv, table;
  int64_t heads;

  Case(DType dtype, int64_t sequence, int64_t head_dim, int64_t turning_heads = 3)
      : qkv(random_tensor(dtype, {sequence, 2, (turning_heads + 1) * head_dim}, 1)),
        table(empty_tensor(DType::f32, {sequence, head_dim})),
        heads(turning_heads) {
    fill_rope_table(table.tensor, kBase);
  }
  [[nodiscard]] Rope op(RopeDirection direction) const {
    return {.qkv = qkv.tensor, .table = table.tensor, .heads = heads, .direction = direction};
  }
};

/// Each pair as a complex number times exp(+-i angle); the cosines and sines are those of f32
/// tables.
std::vector<double> reference(const Case& c, double sign) {
  const Tensor& qkv = c.qkv.tensor;
  std::vector<double> out = to_doubles(qkv);
  const int64_t head_dim = c.table.tensor.size(1);
  for (int64_t row = 0; row < qkv.size(0) * qkv.size(1); ++row)
    for (int64_t head = 0; head < c.heads; ++head)
      for (int64_t i = 0; i < head_dim / 2; ++i) {
        const double angle =
            static_cast<double>(row / qkv.size(1)) *
            std::pow(kBase, -2 * static_cast<double>(i) / static_cast<double>(head_dim));
        const auto at = static_cast<size_t>(row * qkv.size(2) + head * head_dim + i);
        const auto pair = at + static_cast<size_t>(head_dim / 2);
        const std::complex<double> turn(round_to(DType::f32, std::cos(angle)),
                                        round_to(DType::f32, sign * std::sin(angle)));
        const std::complex<double> turned = std::complex<double>(out[at], out[pair]) * turn;
        out[at] = turned.real();
        out[pair] = turned.imag();
      }
  return out;
}

}  // namespace

TEST_CASE("the rope table holds distinct f32 angles far beyond position 256", "[unit][rope]") {
  const TestTensor table = empty_tensor(DType::f32, {4099, 8});
  fill_rope_table(table.tensor, kBase);
  const auto values = to_doubles(table.tensor);
  for (size_t position : {size_t{0}, size_t{1}, size_t{257}, size_t{4098}})
    for (size_t i = 0; i < 4; ++i) {
      const long double angle =
          static_cast<long double>(position) / std::pow(10000.0L, static_cast<long double>(i) / 4);
      REQUIRE(values[position * 8 + i] ==
              Approx(static_cast<double>(std::cos(angle))).margin(1e-7));
      REQUIRE(values[position * 8 + 4 + i] ==
              Approx(static_cast<double>(std::sin(angle))).margin(1e-7));
    }
  REQUIRE(values[4097 * 8 + 2] != values[4098 * 8 + 2]);
}

TEST_CASE("rope matches a double reference in both directions", "[unit][device][rope]") {
  const auto device = GENERATE(from_range(devices()));
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  const auto head_dim = GENERATE(int64_t{2}, 32, 66, 128);
  // 9: a 70B rank of eight; 80: the 13B model, a block of a GPU and a rest.
  const auto heads = GENERATE(int64_t{3}, 9, 80);
  const auto direction = GENERATE(RopeDirection::forward, RopeDirection::backward);
  const auto offset = GENERATE(int64_t{0}, 1);
  if (!computes(device, dtype)) return;
  INFO(to_string(device) << " " << name_of(dtype) << " d " << head_dim << " heads " << heads
                         << " offset " << offset);
  const Case c(dtype, heads == 80 ? 3 : 33, head_dim, heads);
  const auto want = reference(c, direction == RopeDirection::forward ? 1 : -1);
  const TestTensor before = clone(c.qkv.tensor);
  Stream stream(device, 2);
  run_on(stream, c.op(direction), offset);
  require_close(c.qkv.tensor, want);
  const auto old_values = to_doubles(before.tensor);  // value heads and position 0 do not turn
  const auto new_values = to_doubles(c.qkv.tensor);
  const auto width = static_cast<size_t>((heads + 1) * head_dim);
  for (size_t i = 0; i < new_values.size(); ++i)
    if (i < 2 * width || i % width >= static_cast<size_t>(heads * head_dim))
      if (new_values[i] != old_values[i]) FAIL("element " << i << " must not turn");
}

TEST_CASE("rope backward is the transpose of forward", "[unit][rope]") {
  const Case forward(DType::f64, 31, 6);
  const Case backward(DType::f64, 31, 6);
  const TestTensor x = clone(forward.qkv.tensor);
  const TestTensor dy = random_tensor(DType::f64, x.tensor.shape, 9);
  from_doubles(backward.qkv.tensor, to_doubles(dy.tensor));
  Stream stream(Device{});
  launch(stream, forward.op(RopeDirection::forward));
  launch(stream, backward.op(RopeDirection::backward));
  REQUIRE(dot(forward.qkv.tensor, to_doubles(dy.tensor)) ==
          Approx(dot(x.tensor, to_doubles(backward.qkv.tensor))).epsilon(1e-13));

  const auto loss = [&] {
    std::memcpy(forward.qkv.tensor.data, x.tensor.data, static_cast<size_t>(x.tensor.bytes()));
    launch(stream, forward.op(RopeDirection::forward));
    return dot(forward.qkv.tensor, to_doubles(dy.tensor));
  };
  gradcheck(loss, x.tensor, to_doubles(backward.qkv.tensor));
}

TEST_CASE("rope has the same bits on any number of threads", "[unit][rope]") {
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  const Case one(dtype, 7, 32);
  const Case many(dtype, 7, 32);
  Stream single(Device{}, 1);
  Stream three(Device{}, 3);
  launch(single, one.op(RopeDirection::forward));
  launch(three, many.op(RopeDirection::forward));
  REQUIRE(same_bits(one.qkv.tensor, many.qkv.tensor));
}

TEST_CASE("rope refuses more heads than a row holds", "[unit][rope]") {
  const Case c(DType::f32, 3, 8);
  Rope op = c.op(RopeDirection::forward);
  op.heads = 5;
  REQUIRE_THROWS_WITH(op.check(), Catch::Matchers::Contains("Rope: more heads"));
  op.heads = 3;
  op.table.shape = {4, 8};
  REQUIRE_THROWS_WITH(op.check(), Catch::Matchers::Contains("table"));
}
