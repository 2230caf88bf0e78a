#include "kernels/swiglu.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "support/gradcheck.h"
#include "support/random_tensor.h"
#include "support/run_on.h"
#include "support/tolerance.h"

using namespace swallow;
using namespace swallow::test;

namespace {

struct Case {
  TestTensor gate_up, y, dy, dgate_up;

  Case(DType dtype, int64_t rows, int64_t width)
      : gate_up(random_tensor(dtype, {rows, 2 * width}, 1, 2)),
        y(empty_tensor(dtype, {rows, width})),
        dy(random_tensor(dtype, {rows, width}, 2)),
        dgate_up(empty_tensor(dtype, {rows, 2 * width})) {}
  [[nodiscard]] SwigluForward forward() const { return {.gate_up = gate_up.tensor, .y = y.tensor}; }
  [[nodiscard]] SwigluBackward backward() const {
    return {.gate_up = gate_up.tensor, .dy = dy.tensor, .dgate_up = dgate_up.tensor};
  }
};

}  // namespace

TEST_CASE("swiglu matches a double reference forward and backward", "[unit][device][swiglu]") {
  const auto device = GENERATE(from_range(devices()));
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  // 4099: several blocks of a GPU and a remainder; 11008: the 7B model.
  const auto width = GENERATE(int64_t{1}, 8, 31, 32, 33, 4099, 11008);
  const auto offset = GENERATE(int64_t{0}, 1);
  if (!computes(device, dtype)) return;
  INFO(to_string(device) << " " << name_of(dtype) << " width " << width << " offset " << offset);
  const Case c(dtype, 3, width);
  Stream stream(device, 2);
  run_on(stream, c.forward(), offset);
  run_on(stream, c.backward(), offset);

  const auto gate_up = to_doubles(c.gate_up.tensor);
  const auto dy = to_doubles(c.dy.tensor);
  std::vector<double> y(dy.size());
  std::vector<double> dgate_up(gate_up.size());
  const auto w = static_cast<size_t>(width);
  for (size_t i = 0; i < y.size(); ++i) {
    const size_t gate = i / w * 2 * w + i % w;
    const double g = gate_up[gate];
    const double up = gate_up[gate + w];
    const double silu = g / (1 + std::exp(-g));
    const double cosh = std::cosh(g / 2);  // sigmoid' = 1 / (4 cosh^2(g / 2))
    y[i] = silu * up;
    dgate_up[gate] = dy[i] * up * (1 / (1 + std::exp(-g)) + g / (4 * cosh * cosh));
    dgate_up[gate + w] = dy[i] * silu;
  }
  require_close(c.y.tensor, y);
  require_close(c.dgate_up.tensor, dgate_up);
}

TEST_CASE("swiglu backward matches finite differences", "[unit][swiglu]") {
  const Case c(DType::f64, 3, 33);
  Stream stream(Device{});
  launch(stream, c.backward());
  const auto loss = [&] {
    launch(stream, c.forward());
    return dot(c.y.tensor, to_doubles(c.dy.tensor));
  };
  gradcheck(loss, c.gate_up.tensor, to_doubles(c.dgate_up.tensor));
}

TEST_CASE("swiglu backward may overwrite its input", "[unit][device][swiglu]") {
  const auto device = GENERATE(from_range(devices()));
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  if (!computes(device, dtype)) return;
  const Case c(dtype, 3, 133);
  Stream stream(device, 2);
  run_on(stream, c.backward());
  SwigluBackward in_place = c.backward();
  in_place.dgate_up = in_place.gate_up;
  run_on(stream, in_place);
  REQUIRE(same_bits(c.gate_up.tensor, c.dgate_up.tensor));
}

TEST_CASE("swiglu of a gate far from zero reaches its limits", "[unit][device][swiglu]") {
  const auto device = GENERATE(from_range(devices()));
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  if (!computes(device, dtype)) return;
  const TestTensor gate_up = empty_tensor(dtype, {1, 4});
  const std::vector<double> values = {-16384, 16384, 2, 2};
  from_doubles(gate_up.tensor, values);
  const TestTensor y = empty_tensor(dtype, {1, 2});
  const TestTensor dy = empty_tensor(dtype, {1, 2});
  from_doubles(dy.tensor, std::vector<double>{1, 1});
  const TestTensor dgate_up = empty_tensor(dtype, {1, 4});
  Stream stream(device);
  run_on(stream, SwigluForward{.gate_up = gate_up.tensor, .y = y.tensor});
  run_on(stream,
         SwigluBackward{.gate_up = gate_up.tensor, .dy = dy.tensor, .dgate_up = dgate_up.tensor});
  const Tolerance tiny = {1e-30, 0};
  require_close(y.tensor, std::vector<double>{0, 32768}, tiny);
  require_close(dgate_up.tensor, std::vector<double>{0, 2, 0, 16384}, tiny);
}

TEST_CASE("swiglu has the same bits on any number of threads", "[unit][swiglu]") {
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  const Case one(dtype, 7, 33);
  const Case many(dtype, 7, 33);
  Stream single(Device{}, 1);
  Stream three(Device{}, 3);
  launch(single, one.forward());
  launch(single, one.backward());
  launch(three, many.forward());
  launch(three, many.backward());
  REQUIRE(same_bits(one.y.tensor, many.y.tensor));
  REQUIRE(same_bits(one.dgate_up.tensor, many.dgate_up.tensor));
}

TEST_CASE("swiglu refuses a row that is not twice as wide", "[unit][swiglu]") {
  const Case c(DType::f32, 3, 8);
  SwigluForward op = c.forward();
  op.gate_up.shape = {3, 8};
  REQUIRE_THROWS_WITH(op.check(), Catch::Matchers::Contains("SwigluForward: gate_up"));
}

TEST_CASE("a GPU refuses swiglu in f64", "[cuda][swiglu]") {
  const auto gpu = find_gpu("the refusal of f64");
  if (!gpu) return;
  const Case c(DType::f64, 3, 8);
  Stream stream(*gpu);
  REQUIRE_THROWS_WITH(run_on(stream, c.forward()), Catch::Matchers::Contains("bf16 or f32"));
}
