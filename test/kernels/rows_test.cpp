// The row kernels have one source: what a level changes is the width of vectors alone.
#include <catch2/catch.hpp>
#include <vector>

#include "kernels/cross_entropy.h"
#include "kernels/rmsnorm.h"
#include "kernels/rope.h"
#include "kernels/swiglu.h"
#include "support/cpu_levels.h"
#include "support/random_tensor.h"

using namespace swallow;
using namespace swallow::test;

namespace {

/// What all row-wise ops give for rows of `width`, at the stream's level.
std::vector<TestTensor> run_all(Stream& stream, DType dtype, int64_t width) {
  constexpr int64_t rows = 5;
  const TestTensor x = random_tensor(dtype, {rows, 2 * width}, 1, 2);
  const TestTensor row = random_tensor(dtype, {rows, width}, 2);
  const TestTensor other = random_tensor(dtype, {rows, width}, 3);
  const TestTensor weight = random_tensor(dtype, {width}, 4);
  const TestTensor table = random_tensor(DType::f32, {rows, 2 * width}, 5);
  TestTensor swiglu = empty_tensor(dtype, {rows, width});
  launch(stream, SwigluForward{.gate_up = x.tensor, .y = swiglu.tensor});
  TestTensor dswiglu = empty_tensor(dtype, {rows, 2 * width});
  launch(stream, SwigluBackward{.gate_up = x.tensor, .dy = row.tensor, .dgate_up = dswiglu.tensor});
  TestTensor residual = empty_tensor(dtype, {rows, width});
  TestTensor norm = empty_tensor(dtype, {rows, width});
  TestTensor rstd = empty_tensor(accumulate_dtype(dtype), {rows});
  launch(stream, RmsNormForward{.x = row.tensor,
                                .delta = other.tensor,
                                .residual = residual.tensor,
                                .weight = weight.tensor,
                                .y = norm.tensor,
                                .rstd = rstd.tensor,
                                .eps = 1e-5});
  TestTensor dx = random_tensor(dtype, {rows, width}, 6);
  TestTensor dweight = random_tensor(accumulate_dtype(dtype), {width}, 7);
  launch(stream, RmsNormBackward{.dy = other.tensor,
                                 .x = residual.tensor,
                                 .weight = weight.tensor,
                                 .rstd = rstd.tensor,
                                 .dx = dx.tensor,
                                 .dweight = dweight.tensor});
  TestTensor turned = random_tensor(dtype, {rows, 1, 2 * width}, 8);
  launch(stream, Rope{.qkv = turned.tensor, .table = table.tensor, .heads = 1});
  TestTensor logits = random_tensor(dtype, {rows, width}, 9, 4);
  const TestTensor targets = empty_tensor(DType::i32, {rows});
  for (int32_t i = 0; i < rows; ++i) targets.tensor.as<int32_t>()[i] = i % (width > 1 ? 2 : 1);
  TestTensor maxima = empty_tensor(accumulate_dtype(dtype), {rows});
  TestTensor sums = empty_tensor(accumulate_dtype(dtype), {2, rows});
  launch(stream, CrossEntropyLocal{.logits = logits.tensor,
                                   .targets = targets.tensor,
                                   .maxima = maxima.tensor,
                                   .sums = sums.tensor,
                                   .valid = width});
  launch(stream, CrossEntropyBackward{.logits = logits.tensor,
                                      .targets = targets.tensor,
                                      .global_maxima = maxima.tensor,
                                      .sums = sums.tensor,
                                      .valid = width,
                                      .scale = 0.125});
  std::vector<TestTensor> results;
  for (TestTensor* result : {&swiglu, &dswiglu, &residual, &norm, &rstd, &dx, &dweight, &turned,
                             &logits, &maxima, &sums})
    results.push_back(std::move(*result));
  return results;
}

}  // namespace

TEST_CASE("row-wise ops give the same bits at every level of the CPU", "[unit][rows]") {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64})
    for (const int64_t width : {1, 15, 16, 33, 300}) {
      INFO(name_of(dtype) << " width " << width);
      Stream stream(Device{}, 2);
      cpu::limit_cpu_level(stream, cpu::CpuLevel::plain);
      const std::vector<TestTensor> plain = run_all(stream, dtype, width);
      for_each_level(stream, [&] {
        const std::vector<TestTensor> results = run_all(stream, dtype, width);
        for (size_t i = 0; i < plain.size(); ++i) {
          INFO("result " << i);
          REQUIRE(same_bits(results[i].tensor, plain[i].tensor));
        }
      });
    }
}
