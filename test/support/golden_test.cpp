#include "support/golden.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>

using namespace swallow;
using namespace swallow::test;

TEST_CASE("the PyTorch fixture is whole", "[unit][golden]") {
  const Golden g = load_golden();
  REQUIRE(g.losses.size() == 10);
  REQUIRE(g.grad_norms.size() == g.losses.size());
  REQUIRE(g.learning_rates.size() == g.losses.size());
  REQUIRE(g.losses_f32.size() == g.losses.size());
  for (size_t i = 0; i < g.losses.size(); ++i)
    REQUIRE(g.losses_f32[i] == Approx(g.losses[i]).epsilon(1e-6));

  const auto size_of_gradient = [&](const std::string& name) {
    return g.gradients.at(name).size();
  };
  const auto h = static_cast<size_t>(g.hidden);
  const auto f = static_cast<size_t>(g.ffn);
  const auto kv = static_cast<size_t>(g.hidden / g.heads * g.kv_heads);
  REQUIRE(g.gradients.size() == 3 + 9 * static_cast<size_t>(g.layers));
  REQUIRE(g.first_weights.size() == g.gradients.size());
  REQUIRE(size_of_gradient("lm_head.weight") == static_cast<size_t>(g.vocab) * h);
  REQUIRE(size_of_gradient("model.norm.weight") == h);
  REQUIRE(size_of_gradient("model.layers.0.self_attn.q_proj.weight") == h * h);
  REQUIRE(size_of_gradient("model.layers.1.self_attn.k_proj.weight") == kv * h);
  REQUIRE(size_of_gradient("model.layers.1.mlp.down_proj.weight") == h * f);

  double squares = 0;
  for (const auto& [name, values] : g.gradients)
    for (const double value : values) squares += value * value;
  REQUIRE(std::sqrt(squares) == Approx(g.grad_norms[0]).epsilon(1e-13));
}

TEST_CASE("both sides of the PyTorch fixture derive the same weights", "[unit][golden]") {
  const Golden g = load_golden();
  for (const auto& [name, values] : g.first_weights) {
    CAPTURE(name);
    REQUIRE(values.size() == 4);
    for (size_t i = 0; i < values.size(); ++i)  // log and cos may differ in the last bit
      REQUIRE(golden_weight(g, name, i) == Approx(values[i]).epsilon(1e-13));
  }
}

TEST_CASE("both sides of the PyTorch fixture derive the same tokens", "[unit][golden]") {
  const Golden g = load_golden();
  REQUIRE(g.first_tokens.size() == 2);
  for (size_t step = 0; step < g.first_tokens.size(); ++step)
    for (size_t i = 0; i < g.first_tokens[step].size(); ++i)
      REQUIRE(golden_token(g, static_cast<int64_t>(step), 1, static_cast<int64_t>(i)) ==
              g.first_tokens[step][i]);
}

TEST_CASE("the gradient of the head's bias-free softmax sums to zero", "[unit][golden]") {
  const Golden g = load_golden();  // every column of dlogits sums to zero over the vocabulary
  const auto& head = g.gradients.at("lm_head.weight");
  const auto h = static_cast<size_t>(g.hidden);
  for (size_t j = 0; j < h; ++j) {
    double sum = 0;
    for (size_t i = 0; i < head.size() / h; ++i) sum += head[i * h + j];
    REQUIRE(std::abs(sum) < 1e-14);
  }
}

TEST_CASE("the PyTorch fixture's rates are linear, then a cosine", "[unit][golden]") {
  const Golden g = load_golden();
  REQUIRE(g.learning_rates[0] == 0);
  REQUIRE(g.learning_rates[1] == Approx(g.max_lr / 2));
  REQUIRE(g.learning_rates[2] == g.max_lr);
  REQUIRE(g.learning_rates[6] == Approx((g.max_lr + g.min_lr) / 2));
  REQUIRE(g.learning_rates[9] ==
          Approx(g.min_lr + (g.max_lr - g.min_lr) * (1 + std::cos(std::numbers::pi * 7 / 8)) / 2));
}
