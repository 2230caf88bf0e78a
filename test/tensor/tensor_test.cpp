#include "tensor/tensor.h"

#include <catch2/catch.hpp>
#include <numeric>

#include "tensor/arena.h"

using namespace swallow;

TEST_CASE("rows are a view of the outermost dimension, at any rank", "[unit]") {
  std::vector<float> data(24);
  std::iota(data.begin(), data.end(), 0.0F);
  const Tensor tensor{data.data(), DType::f32, {4, 3, 2}, Device{}};
  const Tensor part = tensor.rows(1, 3);
  REQUIRE(part.shape == Shape{2, 3, 2});
  REQUIRE(part.as<float>()[0] == 6.0F);
  REQUIRE(tensor.rows(2, 2).numel() == 0);
  REQUIRE_THROWS_AS(tensor.rows(1, 5), ContractError);
  REQUIRE_THROWS_AS(tensor.rows(-1, 2), ContractError);
}

TEST_CASE("a view keeps the number of elements, as_matrix the last dimension", "[unit]") {
  const Tensor tensor{nullptr, DType::bf16, {4, 3, 2}, Device{}};
  REQUIRE(tensor.as_matrix().shape == Shape{12, 2});
  REQUIRE(tensor.view({24}).bytes() == 48);
  REQUIRE_THROWS_AS(tensor.view({23}), ContractError);
}

TEST_CASE("elements are only given as the type they have", "[unit]") {
  float value = 1;
  const Tensor tensor{&value, DType::f32, {1}, Device{}};
  REQUIRE(*tensor.as<float>() == 1.0F);
  REQUIRE_THROWS_AS(tensor.as<double>(), ContractError);
  REQUIRE_THROWS_AS(tensor.as<bfloat16>(), ContractError);
}

TEST_CASE("an arena gives exactly what was planned, aligned, zeroed and then nothing", "[unit]") {
  const auto take_all = [](Arena& arena) {
    std::vector<Tensor> tensors = {arena.take("weights", DType::bf16, {3, 5}),
                                   arena.take("gradients", DType::f32, {100}),
                                   arena.take("weights", DType::bf16, {200})};
    return tensors;
  };
  Arena planner = Arena::plan(Device{});
  REQUIRE_FALSE(take_all(planner)[0]);  // shapes without memory
  REQUIRE(planner.ledger().total() == 256 + 512 + 512);
  REQUIRE(planner.ledger().rows().size() == 2);

  Arena arena(Device{}, planner.ledger());
  for (const Tensor& tensor : take_all(arena)) {
    REQUIRE(reinterpret_cast<uintptr_t>(tensor.data) % 256 == 0);
    for (int64_t i = 0; i < tensor.bytes(); ++i) REQUIRE(static_cast<char*>(tensor.data)[i] == 0);
  }
  REQUIRE(arena.ledger() == planner.ledger());
  arena.seal();
  REQUIRE_THROWS_AS(arena.take("more", DType::f32, {1}), ContractError);
}

TEST_CASE("an arena refuses what was not in the plan, and a plan that was not used", "[unit]") {
  Arena planner = Arena::plan(Device{});
  planner.take("weights", DType::f32, {64});
  planner.take("weights", DType::f32, {64});
  Arena arena(Device{}, planner.ledger());
  REQUIRE_THROWS_AS(arena.take("weights", DType::f32, {1000}), ContractError);
  arena.take("weights", DType::f32, {64});
  REQUIRE_THROWS_AS(arena.seal(), ContractError);
}
