#include "data/mock_dataset.h"

#include <catch2/catch.hpp>
#include <vector>

TEST_CASE("mock samples depend on seed, stream and number alone", "[unit][data]") {
  const swallow::MockDataset dataset(7, 1, 1000, 100);
  std::vector<int32_t> a(65);
  std::vector<int32_t> b(65);
  dataset.sample(42, a);
  swallow::MockDataset(7, 1, 1000, 43).sample(42, b);
  REQUIRE(a == b);
  dataset.sample(41, b);
  REQUIRE(a != b);
  swallow::MockDataset(8, 1, 1000, 100).sample(42, b);
  REQUIRE(a != b);
  swallow::MockDataset(7, 2, 1000, 100).sample(42, b);
  REQUIRE(a != b);
}

TEST_CASE("mock tokens follow their rule seven times in eight", "[unit][data]") {
  for (const int64_t vocab : {5, 100, 512, 32000}) {
    const swallow::MockDataset dataset(1234, 0, vocab, 200);
    const int64_t used = std::min<int64_t>(vocab, 512);
    std::vector<int32_t> tokens(257);
    int64_t follows = 0;
    for (int64_t i = 0; i < dataset.size(); ++i) {
      dataset.sample(i, tokens);
      for (size_t j = 0; j < tokens.size(); ++j) {
        REQUIRE((tokens[j] >= 0 && tokens[j] < used));
        if (j > 0 && tokens[j] == (5 * int64_t{tokens[j - 1]} + 7) % used) ++follows;
      }
    }
    // 51,200 draws; by chance a random token follows too, once in `used`.
    const double share = 7.0 / 8 + 1.0 / 8 / static_cast<double>(used);
    REQUIRE(static_cast<double>(follows) / (200 * 256) == Approx(share).margin(0.01));
  }
}
