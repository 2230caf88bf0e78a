#include "kernels/rmsnorm.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "support/gradcheck.h"
#include "support/random_tensor.h"
#include "support/tolerance.h"

using namespace swallow;
using namespace swallow::test;

namespace {

constexpr double kEps = 1e-5;

/// x * rstd falls on a neighbouring bf16 now and then, and the product is rounded once more.
Tolerance norm_tolerance(DType dtype) {
  return dtype == DType::bf16 ? Tolerance{1e-5, 0x1p-6} : tolerance_for(dtype);
}

std::vector<double> reference_rstd(const std::vector<double>& x, int64_t hidden) {
  std::vector<double> rstd(x.size() / static_cast<size_t>(hidden));
  for (size_t i = 0; i < rstd.size(); ++i) {
    double squares = 0;
    for (size_t j = 0; j < static_cast<size_t>(hidden); ++j)
      squares += x[i * static_cast<size_t>(hidden) + j] * x[i * static_cast<size_t>(hidden) + j];
    rstd[i] = 1 / std::sqrt(squares / static_cast<double>(hidden) + kEps);
  }
  return rstd;
}

/// Inputs and outputs of one norm over `rows` rows of `hidden`.
struct Case {
  TestTensor x, delta, residual, weight, y, rstd, dy, dx, dweight;

  Case(DType dtype, int64_t rows, int64_t hidden)
      : x(random_tensor(dtype, {rows, hidden}, 1)),
        delta(random_tensor(dtype, {rows, hidden}, 2)),
        residual(empty_tensor(dtype, {rows, hidden})),
        weight(random_tensor(dtype, {hidden}, 3)),
        y(empty_tensor(dtype, {rows, hidden})),
        rstd(empty_tensor(accumulate_dtype(dtype), {rows})),
        dy(random_tensor(dtype, {rows, hidden}, 4)),
        dx(random_tensor(dtype, {rows, hidden}, 5)),
        dweight(random_tensor(accumulate_dtype(dtype), {hidden}, 6)) {}

  [[nodiscard]] RmsNormForward forward() const {
    return {.x = x.tensor,
            .delta = delta.tensor,
            .residual = residual.tensor,
            .weight = weight.tensor,
            .y = y.tensor,
            .rstd = rstd.tensor,
            .eps = kEps};
  }
  [[nodiscard]] RmsNormBackward backward() const {
    return {.dy = dy.tensor,
            .x = residual.tensor,
            .weight = weight.tensor,
            .rstd = rstd.tensor,
            .dx = dx.tensor,
            .dweight = dweight.tensor};
  }
};

}  // namespace

TEST_CASE("rmsnorm forward matches a double reference", "[unit][rmsnorm]") {
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  const auto hidden = GENERATE(int64_t{1}, 31, 32, 33, 4099);
  const Case c(dtype, 5, hidden);
  Stream stream(Device{}, 2);
  launch(stream, c.forward());

  const auto x = to_doubles(c.x.tensor);
  const auto delta = to_doubles(c.delta.tensor);
  const auto weight = to_doubles(c.weight.tensor);
  std::vector<double> sum(x.size());
  for (size_t i = 0; i < x.size(); ++i) sum[i] = round_to(dtype, x[i] + delta[i]);
  const auto rstd = reference_rstd(sum, hidden);
  std::vector<double> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const auto h = static_cast<size_t>(hidden);
    y[i] = round_to(dtype, sum[i] * rstd[i / h]) * weight[i % h];
  }
  require_close(c.residual.tensor, sum, {0, 0});
  require_close(c.rstd.tensor, rstd);
  require_close(c.y.tensor, y, norm_tolerance(dtype));
}

TEST_CASE("rmsnorm without a residual addition normalises x", "[unit][rmsnorm]") {
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  const Case c(dtype, 3, 33);
  Stream stream(Device{});
  launch(stream, c.forward());
  const TestTensor y = empty_tensor(dtype, {3, 33});
  launch(stream, RmsNormForward{.x = c.residual.tensor,
                                .delta = {},
                                .residual = {},
                                .weight = c.weight.tensor,
                                .y = y.tensor,
                                .rstd = c.rstd.tensor,
                                .eps = kEps});
  REQUIRE(same_bits(y.tensor, c.y.tensor));
}

TEST_CASE("rmsnorm recompute gives the bits of the forward pass", "[unit][rmsnorm]") {
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  const auto hidden = GENERATE(int64_t{1}, 33, 4099);
  const Case c(dtype, 5, hidden);
  Stream stream(Device{});
  launch(stream, c.forward());
  const TestTensor y = empty_tensor(dtype, {5, hidden});
  launch(
      stream,
      RmsNormRecompute{
          .x = c.residual.tensor, .weight = c.weight.tensor, .rstd = c.rstd.tensor, .y = y.tensor});
  REQUIRE(same_bits(y.tensor, c.y.tensor));
}

TEST_CASE("rmsnorm backward matches a double reference and adds", "[unit][rmsnorm]") {
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  const auto hidden = GENERATE(int64_t{1}, 31, 32, 33, 4099);
  const Case c(dtype, 5, hidden);
  Stream stream(Device{}, 2);
  launch(stream, c.forward());
  std::vector<double> dx = to_doubles(c.dx.tensor);
  std::vector<double> dweight = to_doubles(c.dweight.tensor);
  launch(stream, c.backward());

  const auto x = to_doubles(c.residual.tensor);
  const auto dy = to_doubles(c.dy.tensor);
  const auto weight = to_doubles(c.weight.tensor);
  const auto rstd = to_doubles(c.rstd.tensor);
  const auto h = static_cast<size_t>(hidden);
  for (size_t row = 0; row < rstd.size(); ++row) {
    double dot = 0;
    for (size_t j = 0; j < h; ++j) dot += dy[row * h + j] * weight[j] * x[row * h + j] * rstd[row];
    for (size_t j = 0; j < h; ++j) {
      const size_t i = row * h + j;
      const double n = x[i] * rstd[row];
      dx[i] += rstd[row] * (dy[i] * weight[j] - n * dot / static_cast<double>(h));
      dweight[j] += dy[i] * round_to(dtype, n);
    }
  }
  require_close(c.dx.tensor, dx);
  require_close(c.dweight.tensor, dweight);
}

TEST_CASE("rmsnorm backward matches finite differences", "[unit][rmsnorm]") {
  Case c(DType::f64, 3, 33);
  Stream stream(Device{});
  zero(stream, c.dx.tensor);
  zero(stream, c.dweight.tensor);
  launch(stream, c.forward());
  launch(stream, c.backward());
  const auto loss = [&] {
    launch(stream, c.forward());
    return dot(c.y.tensor, to_doubles(c.dy.tensor));
  };
  gradcheck(loss, c.x.tensor, to_doubles(c.dx.tensor));
  gradcheck(loss, c.delta.tensor, to_doubles(c.dx.tensor));
  gradcheck(loss, c.weight.tensor, to_doubles(c.dweight.tensor));
}

TEST_CASE("rmsnorm has the same bits on any number of threads", "[unit][rmsnorm]") {
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  const Case one(dtype, 7, 333);
  Stream single(Device{}, 1);
  launch(single, one.forward());
  launch(single, one.backward());
  for (const int threads : {2, 3, 8}) {
    const Case many(dtype, 7, 333);
    Stream stream(Device{}, threads);
    launch(stream, many.forward());
    launch(stream, many.backward());
    REQUIRE(same_bits(one.y.tensor, many.y.tensor));
    REQUIRE(same_bits(one.dx.tensor, many.dx.tensor));
    REQUIRE(same_bits(one.dweight.tensor, many.dweight.tensor));
  }
}

TEST_CASE("rmsnorm names the argument that does not fit", "[unit][rmsnorm]") {
  using Catch::Matchers::Contains;
  const Case c(DType::f32, 3, 8);
  RmsNormForward op = c.forward();
  op.weight.shape = {7};
  REQUIRE_THROWS_WITH(op.check(), Contains("RmsNormForward") && Contains("weight") &&
                                      Contains("[7]") && Contains("f32 [8]"));
  op = c.forward();
  op.residual = {};
  REQUIRE_THROWS_WITH(op.check(), Contains("delta and residual"));
  RmsNormBackward back = c.backward();
  back.dweight.dtype = DType::bf16;
  REQUIRE_THROWS_AS(back.check(), ContractError);
}
