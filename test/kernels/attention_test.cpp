#include "kernels/attention.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/attention_case.h"
#include "kernels/cpu/vector_exp.h"
#include "support/cpu_levels.h"
#include "support/gradcheck.h"

using namespace swallow;
using namespace swallow::test;

namespace {

/// At the stream's level, on the CPU.
void check_shape(Stream& stream, const AttentionShape& shape, DType dtype) {
  INFO(describe(shape, dtype));
  const Attention x(shape, dtype);
  x.forward(stream);
  x.backward(stream);
  const Result want = reference(x);
  require_close(x.stats.tensor, want.stats);
  if (dtype == DType::bf16 && cpu::cpu_level(stream) >= cpu::CpuLevel::avx512_bf16) {
    require_within(x.out.tensor, want.out, want.out_error);
    require_within(x.dqkv.tensor, want.dqkv, want.dqkv_error);
    return;
  }
  require_close(x.out.tensor, want.out);
  // delta is taken from the rounded output. Where the kernel rounds to bf16's neighbour, dS moves
  // by 2^-8 of a product, beside which the f32 error of the sums is small.
  Tolerance bound = tolerance_for(dtype, 4);
  if (dtype == DType::bf16) bound.absolute = 2e-3;
  require_close(x.dqkv.tensor, want.dqkv, bound);
}

}  // namespace

TEST_CASE("attention matches the textbook on odd sizes and every group ratio",
          "[unit][attention]") {
  Stream stream(Device{}, 2);
  for_each_level(stream, [&] {
    for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
      for (const int64_t s : {1, 2, 31, 32, 33, 63, 64, 65, 130})
        check_shape(stream, {s, 2, 2, 1, 16}, dtype);
      check_shape(stream, {40, 1, 3, 3, 4}, dtype);
      check_shape(stream, {70, 2, 8, 1, 5}, dtype);
      check_shape(stream, {129, 1, 4, 2, 64}, dtype);
      check_shape(stream, {65, 1, 2, 2, 128}, dtype);
      check_shape(stream, {65, 1, 2, 2, 112}, dtype);
      check_shape(stream, {33, 1, 1, 1, 1}, dtype);
      check_shape(stream, {33, 1, 2, 1, 33}, dtype);
      check_shape(stream, {0, 1, 2, 1, 4}, dtype);
    }
  });
}

TEST_CASE("attention matches the textbook on a longer sequence", "[unit][attention]") {
  Stream stream(Device{}, 2);
  for_each_level(stream, [&] {
    check_shape(stream, {700, 1, 2, 1, 32}, DType::f32);
    check_shape(stream, {520, 1, 1, 1, 64}, DType::bf16);
  });
}

TEST_CASE("attention matches the textbook in tasks of many tiles", "[unit][attention]") {
  // Alone, a thread takes as many tiles at a time as there may be, and fewer at the end of a head.
  Stream alone(Device{}, 1);
  for_each_level(alone, [&] {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      check_shape(alone, {600, 1, 4, 2, 48}, dtype);
      check_shape(alone, {200, 1, 4, 2, 96}, dtype);
    }
  });
}

TEST_CASE("attention survives scores of any size", "[unit][device][attention]") {
  const auto device = GENERATE(from_range(devices()));
  for (const DType dtype : {DType::f32, DType::f64}) {
    if (!computes(device, dtype)) continue;
    Stream stream(device);
    for_each_level(stream, [&] {
      Attention x({150, 1, 1, 1, 8}, dtype, device);
      x.scale = 200;  // the largest score takes all: exp of the others underflows
      x.forward(stream);
      x.backward(stream);
      const Result want = reference(x);
      // A score of size 2000 errs by 1e-4 in f32, and so do its softmax and all that follows.
      const double factor = dtype == DType::f32 ? 500 : 1e5;
      const Tolerance base = tolerance_for(dtype);
      require_close(x.out.tensor, want.out, {base.absolute * factor, base.relative * factor});
      require_close(x.stats.tensor, want.stats);
      for (const double value : to_doubles(x.dqkv.tensor)) REQUIRE(std::isfinite(value));
    });
  }
}

TEST_CASE("attention backward matches central differences", "[unit][attention]") {
  for (const AttentionShape& shape :
       {AttentionShape{5, 2, 2, 1, 3}, AttentionShape{70, 1, 2, 2, 4}}) {
    const Attention x(shape, DType::f64);
    x.forward(1);
    x.backward(1);
    const std::vector<double> weights = to_doubles(x.dout.tensor);
    const auto loss = [&] {
      x.forward(1);
      return swallow::test::dot(x.out.tensor, weights);
    };
    gradcheck(loss, x.qkv.tensor, to_doubles(x.dqkv.tensor));
  }
}

TEST_CASE("attention gives the same bits for any number of threads", "[unit][attention]") {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64})
    for (const AttentionShape& shape :
         {AttentionShape{300, 1, 2, 1, 16}, AttentionShape{70, 2, 4, 2, 8},
          AttentionShape{600, 1, 4, 2, 32}}) {
      INFO(describe(shape, dtype));
      Stream alone(Device{}, 1);
      for_each_level(alone, [&] {
        const Attention one(shape, dtype);
        one.forward(alone);
        one.backward(alone);
        for (const int threads : {2, 3}) {
          Stream stream(Device{}, threads);
          cpu::limit_cpu_level(stream, cpu::cpu_level(alone));
          const Attention many(shape, dtype);
          many.forward(stream);
          many.backward(stream);
          REQUIRE(same_bits(many.out.tensor, one.out.tensor));
          REQUIRE(same_bits(many.stats.tensor, one.stats.tensor));
          REQUIRE(same_bits(many.dqkv.tensor, one.dqkv.tensor));
        }
      });
    }
}

TEST_CASE("attention never looks ahead", "[unit][device][attention]") {
  const auto device = GENERATE(from_range(devices()));
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64})
    for (const int64_t changed : {1, 40, 63, 64, 65, 99}) {
      if (!computes(device, dtype)) continue;
      INFO(name_of(dtype) << ", token " << changed << " changes");
      const AttentionShape shape{100, 2, 2, 1, 8};
      Stream stream(device, 2);
      for_each_level(stream, [&] {
        const Attention before(shape, dtype, device);
        const Attention after(shape, dtype, device);
        const Tensor token = after.qkv.tensor.rows(changed, changed + 1);
        from_doubles(token, to_doubles(random_tensor(dtype, token.shape, 99, 10).tensor));
        before.forward(stream);
        after.forward(stream);
        REQUIRE(same_bits(before.out.tensor.rows(0, changed), after.out.tensor.rows(0, changed)));
        REQUIRE_FALSE(same_bits(before.out.tensor.rows(changed, changed + 1),
                                after.out.tensor.rows(changed, changed + 1)));
      });
    }
}

TEST_CASE("attention refuses shapes and workspaces that do not fit", "[unit][attention]") {
  const Attention x({33, 1, 2, 1, 4}, DType::f32);
  Stream stream(Device{}, 2);
  const TestTensor workspace = x.make_workspace(2);
  const AttentionForward good{.shape = x.shape,
                              .qkv = x.qkv.tensor,
                              .out = x.out.tensor,
                              .stats = x.stats.tensor,
                              .workspace = workspace.tensor,
                              .scale = 1};
  launch(stream, good);
  const auto refused = [&](auto change) {
    AttentionForward op = good;
    change(op);
    REQUIRE_THROWS_AS(launch(stream, op), ContractError);
  };
  refused([](auto& op) { op.shape.kv_heads = 2; });
  refused([](auto& op) { op.shape.heads = 3; });
  refused([](auto& op) { op.shape.head_dim = 0; });
  refused([](auto& op) { op.scale = 0; });
  refused([](auto& op) { op.stats.dtype = DType::bf16; });
  refused([](auto& op) { op.out = op.out.rows(0, 32); });
  refused([](auto& op) { op.out.data = nullptr; });
  refused([](auto& op) { op.workspace = {}; });
  refused([](auto& op) { op.workspace = op.workspace.rows(0, op.workspace.size(0) - 1); });
  const AttentionBackward in_place{.shape = x.shape,
                                   .qkv = x.qkv.tensor,
                                   .out = x.out.tensor,
                                   .stats = x.stats.tensor,
                                   .dout = x.dout.tensor,
                                   .dqkv = x.qkv.tensor,
                                   .workspace = workspace.tensor,
                                   .scale = 1};
  REQUIRE_THROWS_AS(launch(stream, in_place), ContractError);
}

TEST_CASE("vector_exp is exp to two units in the last place", "[unit][attention]") {
  for (int i = -86'900; i < 88'000; i += 7) {
    const float x = static_cast<float>(i) * 1e-3F;
    const double want = std::exp(static_cast<double>(x));
    const double ulp = std::ldexp(1.0, std::ilogb(want) - 23);
    REQUIRE(std::abs(static_cast<double>(cpu::vector_exp(x)) - want) <= 2 * ulp);
  }
  REQUIRE(cpu::vector_exp(0.0F) == 1.0F);
  REQUIRE(cpu::vector_exp(-200.0F) == 0.0F);
  REQUIRE(cpu::vector_exp(-std::numeric_limits<float>::infinity()) == 0.0F);
  REQUIRE(std::isnan(cpu::vector_exp(std::nanf(""))));
}
