#include "data/blended_dataset.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "base/check.h"
#include "data/fixtures.h"
#include "data/mock_dataset.h"
#include "data/split.h"

using swallow::blend_sizes;
using swallow::BlendIndex;
using swallow::BlendSizes;
using swallow::normalised;

namespace {
uint64_t hash_of(const BlendIndex& index) {
  swallow::test::Hash hash;
  for (int64_t i = 0; i < index.size(); ++i) {
    hash.add(index.pick(i).dataset);
    hash.add(index.pick(i).sample);
  }
  return hash.value();
}
}  // namespace

// Sizes, counts and hashes of the picks made with NumPy 2.4.6 by Megatron-core's rules.
TEST_CASE("blends are those made with NumPy", "[unit][data]") {
  struct Known {
    std::vector<double> weights;
    int64_t samples;
    std::vector<int64_t> target, built, used;
    uint64_t hash;
  };
  for (const Known& known : std::vector<Known>{
           {{1, 1}, 1000, {500, 500}, {503, 503}, {500, 500}, 0x7e95be421fbc49bdULL},
           {{0.3, 0.7}, 5000, {1500, 3500}, {1508, 3518}, {1500, 3500}, 0x89433ca69800f6f5ULL},
           {{.1, .2, .7},
            777,
            {78, 156, 544},
            {79, 157, 547},
            {78, 156, 544},
            0x161099c980ce32b6ULL},
           {{10.6, 10.5, 12.5, 16.4, 38.3, 1.67, 5, 5},
            20000,
            {2121, 2101, 2501, 3281, 7663, 335, 1001, 1001},
            {2132, 2112, 2514, 3298, 7702, 337, 1007, 1007},
            {2121, 2101, 2501, 3282, 7663, 334, 1001, 1001},
            0x697f22f03f87b5e6ULL},
           {{1, 2, 3, 4, 5, 6, 7, 8, 9},
            3001,
            {67, 134, 201, 267, 334, 401, 467, 534, 601},
            {68, 135, 203, 269, 336, 404, 470, 537, 605},
            {67, 134, 200, 267, 334, 401, 468, 534, 601},
            0xfa2c30a1a85a590ULL}}) {
    CAPTURE(known.weights, known.samples);
    const std::vector<double> shares = normalised(known.weights);
    const BlendSizes sizes = blend_sizes(shares, known.samples);
    REQUIRE(sizes.target == known.target);
    REQUIRE(sizes.built == known.built);
    const BlendIndex index(shares, sizes.total);
    REQUIRE(std::vector<int64_t>(index.used().begin(), index.used().end()) == known.used);
    REQUIRE(hash_of(index) == known.hash);
  }
}

TEST_CASE("the greedy rule rounds the product before it subtracts", "[unit][data]") {
  // With a fused multiply-add some of these picks differ; volatile keeps the reference from it.
  const std::vector<double> weights = {1.0 / 3, 0.1, 0.7, 1e-3, 0.2999};
  const std::vector<double> shares = normalised(normalised(weights));
  const BlendIndex index(normalised(weights), 50000);
  std::vector<int64_t> used(5, 0);
  for (int64_t i = 0; i < index.size(); ++i) {
    size_t best = 0;
    double best_error = -INFINITY;
    for (size_t d = 0; d < 5; ++d) {
      const volatile double product = shares[d] * static_cast<double>(std::max<int64_t>(i, 1));
      const double error = product - static_cast<double>(used[d]);
      if (error > best_error) {
        best_error = error;
        best = d;
      }
    }
    CAPTURE(i);
    REQUIRE(index.pick(i) == BlendIndex::Pick{static_cast<int64_t>(best), used[best]});
    ++used[best];
  }
}

TEST_CASE("a blend draws each part's samples in their order", "[unit][data]") {
  std::vector<std::unique_ptr<swallow::SampleSource>> parts;
  for (uint64_t d = 0; d < 3; ++d) {
    parts.push_back(std::make_unique<swallow::MockDataset>(1, d, 100, 4000));
  }
  const swallow::BlendedDataset blend(std::move(parts), normalised(std::vector<double>{5, 3, 2}),
                                      3000);
  std::vector<int64_t> next(3, 0);
  std::vector<int32_t> got(9);
  std::vector<int32_t> want(9);
  for (int64_t i = 0; i < blend.size(); ++i) {
    const auto pick = blend.index().pick(i);
    REQUIRE(pick.sample == next[static_cast<size_t>(pick.dataset)]++);
    blend.sample(i, got);
    swallow::MockDataset(1, static_cast<uint64_t>(pick.dataset), 100, 4000)
        .sample(pick.sample, want);
    REQUIRE(got == want);
  }
  REQUIRE(next == std::vector<int64_t>{1500, 900, 600});
}

TEST_CASE("a blend that asks for more than a part has is refused", "[unit][data]") {
  std::vector<std::unique_ptr<swallow::SampleSource>> parts;
  parts.push_back(std::make_unique<swallow::MockDataset>(1, 0, 100, 50));
  parts.push_back(std::make_unique<swallow::MockDataset>(1, 1, 100, 49));
  REQUIRE_THROWS_AS(
      swallow::BlendedDataset(std::move(parts), normalised(std::vector<double>{1, 1}), 100),
      swallow::DataError);
}
