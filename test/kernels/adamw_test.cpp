#include "kernels/adamw.h"

#include <array>
#include <catch2/catch.hpp>
#include <cmath>

#include "base/split_float.h"
#include "support/random_tensor.h"
#include "support/run_on.h"
#include "support/tolerance.h"

using namespace swallow;
using namespace swallow::test;

namespace {

struct Case {
  TestTensor grad, master, exp_avg, exp_avg_sq, param;

  Case(DType dtype, int64_t count)
      : grad(empty_tensor(accumulate_dtype(dtype), {count})),
        master(random_tensor(accumulate_dtype(dtype), {count}, 1)),
        exp_avg(empty_tensor(accumulate_dtype(dtype), {count})),
        exp_avg_sq(empty_tensor(accumulate_dtype(dtype), {count})),
        param(empty_tensor(dtype, {count})) {}
  /// The op of step t, with fresh gradients.
  [[nodiscard]] AdamW op(int64_t t) const {
    const TestTensor fresh =
        random_tensor(grad.tensor.dtype, grad.tensor.shape, 100 + static_cast<uint64_t>(t), 0.01);
    from_doubles(grad.tensor, to_doubles(fresh.tensor));
    return {.grad = grad.tensor,
            .master = master.tensor,
            .exp_avg = exp_avg.tensor,
            .exp_avg_sq = exp_avg_sq.tensor,
            .param = param.tensor,
            .lr = 1e-2 / static_cast<double>(t),
            .weight_decay = 0.1,
            .grad_scale = 0.75,
            .step = t};
  }
};

/// The master of `whole` as parameter and low bits; moments and gradients alike.
struct SplitCase : Case {
  TestTensor low;

  explicit SplitCase(int64_t count)
      : Case(DType::bf16, count), low(empty_tensor(DType::u16, {count})) {
    cut(master.tensor);
  }
  void cut(const Tensor& whole) const {
    for (int64_t i = 0; i < whole.numel(); ++i) {
      const SplitFloat split = split_float(whole.as<float>()[i]);
      param.tensor.as<bfloat16>()[i].bits = split.bf16;
      low.tensor.as<uint16_t>()[i] = split.low;
    }
  }
  [[nodiscard]] AdamW op(int64_t t) const {
    AdamW result = Case::op(t);
    result.master = low.tensor;
    return result;
  }
  /// Writes to `master` what the halves hold, to be compared.
  void join() const {
    for (int64_t i = 0; i < master.tensor.numel(); ++i)
      master.tensor.as<float>()[i] =
          join_float({param.tensor.as<bfloat16>()[i].bits, low.tensor.as<uint16_t>()[i]});
  }
};

/// Algorithm 2 of the paper with the learning rate as its schedule multiplier.
struct Reference {
  std::vector<double> w, m, v;

  void step(const AdamW& op) {
    const auto gradients = to_doubles(op.grad);
    const auto t = static_cast<double>(op.step);
    for (size_t i = 0; i < w.size(); ++i) {
      const double g = gradients[i] * op.grad_scale;
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.95 * v[i] + 0.05 * g * g;
      const double m_hat = m[i] / (1 - std::pow(0.9, t));
      const double v_hat = v[i] / (1 - std::pow(0.95, t));
      w[i] -= op.lr * (m_hat / (std::sqrt(v_hat) + 1e-8) + op.weight_decay * w[i]);
    }
  }
};

constexpr int64_t kShardedCount = 3 * 4096 + 5;

/// The op on all its elements, as three shards: some end within a pack of a GPU, one starts in one.
void run_in_shards(Stream& stream, const AdamW& op) {
  for (const auto& [begin, end, offset] :
       {std::array<int64_t, 3>{0, 777, 0}, {777, 1001, 1}, {1001, kShardedCount, 0}}) {
    AdamW shard = op;
    for (Tensor* tensor :
         {&shard.grad, &shard.master, &shard.exp_avg, &shard.exp_avg_sq, &shard.param})
      *tensor = tensor->rows(begin, end);
    run_on(stream, shard, offset);
  }
}

}  // namespace

TEST_CASE("AdamW follows a plain loop for ten steps", "[unit][device][adamw]") {
  const auto device = GENERATE(from_range(devices()));
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  const auto count = GENERATE(int64_t{1}, 31, 32, 33, 4099);
  const auto offset = GENERATE(int64_t{0}, 1);
  if (!computes(device, dtype)) return;
  INFO(to_string(device) << " " << name_of(dtype) << " [" << count << "] offset " << offset);
  const Case c(dtype, count);
  const auto n = static_cast<size_t>(count);
  Reference reference{to_doubles(c.master.tensor), std::vector<double>(n), std::vector<double>(n)};
  Stream stream(device, 2);
  for (int64_t t = 1; t <= 10; ++t) {
    const AdamW op = c.op(t);
    run_on(stream, op, offset);
    reference.step(op);
  }
  require_close(c.master.tensor, reference.w);
  require_close(c.exp_avg.tensor, reference.m);
  require_close(c.exp_avg_sq.tensor, reference.v);
  const auto master = to_doubles(c.master.tensor);
  const auto param = to_doubles(c.param.tensor);
  for (size_t i = 0; i < n; ++i) REQUIRE(param[i] == round_to(dtype, master[i]));
}

TEST_CASE("AdamW's first step moves by the learning rate against the sign", "[unit][adamw]") {
  const Case c(DType::f64, 33);
  AdamW op = c.op(1);
  op.weight_decay = 0;
  op.eps = 0;
  const auto before = to_doubles(c.master.tensor);
  Stream stream(Device{});
  launch(stream, op);
  const auto after = to_doubles(c.master.tensor);
  const auto grad = to_doubles(c.grad.tensor);
  for (size_t i = 0; i < before.size(); ++i)
    REQUIRE(after[i] - before[i] == Approx(grad[i] > 0 ? -op.lr : op.lr).epsilon(1e-12));
}

TEST_CASE("AdamW has the same bits on all devices, threads and shards", "[unit][device][adamw]") {
  const auto device = GENERATE(from_range(devices()));
  const auto dtype = GENERATE(DType::f32, DType::bf16, DType::f64);
  if (!computes(device, dtype)) return;
  INFO(to_string(device) << " " << name_of(dtype));
  const Case one(dtype, kShardedCount);
  const Case many(dtype, kShardedCount);
  Stream single(Device{}, 1);
  Stream other(device, 3);
  for (int64_t t = 1; t <= 2; ++t) {
    launch(single, one.op(t));
    run_in_shards(other, many.op(t));
  }
  REQUIRE(same_bits(one.master.tensor, many.master.tensor));
  REQUIRE(same_bits(one.exp_avg.tensor, many.exp_avg.tensor));
  REQUIRE(same_bits(one.exp_avg_sq.tensor, many.exp_avg_sq.tensor));
  REQUIRE(same_bits(one.param.tensor, many.param.tensor));
}

TEST_CASE("AdamW on a split master keeps the bits of a whole one", "[unit][device][adamw]") {
  const auto device = GENERATE(from_range(devices()));
  const auto count = GENERATE(int64_t{1}, 3, 31, 32, 33, 4099);
  const auto offset = GENERATE(int64_t{0}, 1, 4);
  INFO(to_string(device) << " [" << count << "] offset " << offset);
  const Case whole(DType::bf16, count);
  const SplitCase split(count);
  Stream single(Device{}, 1);
  Stream other(device, 3);
  for (int64_t t = 1; t <= 10; ++t) {
    launch(single, whole.op(t));
    run_on(other, split.op(t), offset);
    split.join();
    REQUIRE(same_bits(split.master.tensor, whole.master.tensor));
    REQUIRE(same_bits(split.exp_avg.tensor, whole.exp_avg.tensor));
    REQUIRE(same_bits(split.exp_avg_sq.tensor, whole.exp_avg_sq.tensor));
    for (int64_t i = 0; i < count; ++i) {
      const float master = whole.master.tensor.as<float>()[i];
      REQUIRE(split.param.tensor.as<bfloat16>()[i].bits == split_float(master).bf16);
    }
  }
}

TEST_CASE("AdamW on a split master has the same bits on all shards", "[unit][device][adamw]") {
  const auto device = GENERATE(from_range(devices()));
  INFO(to_string(device));
  const SplitCase one(kShardedCount);
  const SplitCase many(kShardedCount);
  Stream single(Device{}, 1);
  Stream other(device, 3);
  for (int64_t t = 1; t <= 2; ++t) {
    launch(single, one.op(t));
    run_in_shards(other, many.op(t));
  }
  REQUIRE(same_bits(one.low.tensor, many.low.tensor));
  REQUIRE(same_bits(one.param.tensor, many.param.tensor));
  REQUIRE(same_bits(one.exp_avg.tensor, many.exp_avg.tensor));
  REQUIRE(same_bits(one.exp_avg_sq.tensor, many.exp_avg_sq.tensor));
}

TEST_CASE("a split master differs from a whole one in its parameters' ties only",
          "[unit][device][adamw]") {
  const auto device = GENERATE(from_range(devices()));
  INFO(to_string(device));
  constexpr int64_t kCount = 1031;
  const Case whole(DType::bf16, kCount);
  // Ties above even and odd numbers of either sign, which a step of rate zero leaves where they
  // are.
  for (int64_t i = 0; i < kCount; ++i)
    whole.master.tensor.as<float>()[i] =
        std::bit_cast<float>(static_cast<uint32_t>(0x3f80 + i) << 16U | 0x8000U |
                             static_cast<uint32_t>(i % 3 == 0) << 31U);
  const SplitCase split(kCount);
  split.cut(whole.master.tensor);
  const TestTensor before = clone(whole.master.tensor);
  AdamW op = whole.op(1);
  op.lr = 0;
  Stream single(Device{}, 1);
  launch(single, op);
  op = split.op(1);
  op.lr = 0;
  Stream other(device);
  run_on(other, op);
  split.join();
  REQUIRE(same_bits(whole.master.tensor, before.tensor));
  REQUIRE(same_bits(split.master.tensor, before.tensor));
  for (int64_t i = 0; i < kCount; ++i) {
    const int even = whole.param.tensor.as<bfloat16>()[i].bits;
    const int away = split.param.tensor.as<bfloat16>()[i].bits;
    REQUIRE(away - even == (i % 2 == 0 ? 1 : 0));  // 0x3f80 is even
  }
}

TEST_CASE("AdamW refuses step 0 and state of the wrong type", "[unit][adamw]") {
  const Case c(DType::bf16, 8);
  AdamW op = c.op(1);
  op.step = 0;
  REQUIRE_THROWS_WITH(op.check(), Catch::Matchers::Contains("AdamW: steps are counted from 1"));
  op = c.op(1);
  op.exp_avg.dtype = DType::bf16;
  REQUIRE_THROWS_WITH(op.check(), Catch::Matchers::Contains("AdamW: exp_avg is bf16 [8]"));
  op = Case(DType::f32, 8).op(1);
  op.master.dtype = DType::u16;
  REQUIRE_THROWS_WITH(op.check(),
                      Catch::Matchers::Contains("AdamW: param of a split master is f32 [8]"));
}

TEST_CASE("a GPU refuses AdamW in f64", "[cuda][adamw]") {
  const auto gpu = find_gpu("the refusal of f64");
  if (!gpu) return;
  const Case c(DType::f64, 8);
  Stream stream(*gpu);
  REQUIRE_THROWS_WITH(run_on(stream, c.op(1)), Catch::Matchers::Contains("bf16 or f32"));
}
