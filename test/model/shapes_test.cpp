#include "model/shapes.h"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace swallow;

namespace {

std::vector<int64_t> sizes(const std::vector<LayerRange>& ranges) {
  std::vector<int64_t> result;
  for (const LayerRange& range : ranges) result.push_back(range.size());
  return result;
}

}  // namespace

TEST_CASE("layers split evenly where the head is light", "[unit]") {
  REQUIRE(sizes(split_layers(80, 8, 0.41)) == std::vector<int64_t>(8, 10));  // Llama-2 70B
  REQUIRE(sizes(split_layers(40, 4, 0.7)) == std::vector<int64_t>(4, 10));   // 13B
  REQUIRE(sizes(split_layers(32, 2, 0.87)) == std::vector<int64_t>(2, 16));  // 7B
}

TEST_CASE("a heavy head takes layers from the last stage, a remainder goes to the middle",
          "[unit]") {
  REQUIRE(sizes(split_layers(8, 2, 2.0)) == std::vector<int64_t>{5, 3});
  REQUIRE(sizes(split_layers(5, 4, 0.1)) == std::vector<int64_t>{1, 1, 2, 1});
  REQUIRE(sizes(split_layers(6, 4, 0.1)) == std::vector<int64_t>{1, 2, 2, 1});
  REQUIRE(sizes(split_layers(3, 3, 50.0)) == std::vector<int64_t>{1, 1, 1});
}

TEST_CASE("no other split has a lighter heaviest stage", "[unit]") {
  // Against exhaustive search over all splits of small models.
  for (const double head : {0.0, 0.3, 1.0, 2.5})
    for (int64_t layers = 3; layers <= 9; ++layers) {
      const auto heaviest = [&](int64_t a, int64_t b, int64_t c) {
        return std::max(
            {static_cast<double>(a), static_cast<double>(b), static_cast<double>(c) + head});
      };
      double best = 1e9;
      for (int64_t a = 1; a <= layers - 2; ++a)
        for (int64_t b = 1; a + b <= layers - 1; ++b)
          best = std::min(best, heaviest(a, b, layers - a - b));
      const auto got = sizes(split_layers(layers, 3, head));
      REQUIRE(heaviest(got[0], got[1], got[2]) == best);
    }
}

TEST_CASE("the deterministic mode reaches the ops, and is off by default", "[unit]") {
  RunConfig config;
  config.model.vocab_size = 256;
  config.data.mock_data = true;
  const auto determinism = [&] { return make_shapes(config, resolve(config, 1), {}).determinism; };
  CHECK(determinism() == Determinism::relaxed);
  config.training.deterministic_mode = true;
  CHECK(determinism() == Determinism::deterministic);
}
