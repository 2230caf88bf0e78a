#include "data/blended_dataset.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "base/check.h"
#include "data/mock_dataset.h"
#include "data/split.h"

using swallow::BlendIndex;
using swallow::normalised;

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
