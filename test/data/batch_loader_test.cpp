#include "data/batch_loader.h"

#include <catch2/catch.hpp>
#include <numeric>
#include <set>

#include "base/check.h"
#include "data/fixtures.h"
#include "data/mock_dataset.h"

using swallow::BatchLoader;
using swallow::DType;
using swallow::Shape;
using swallow::Tensor;

namespace {

/// Sample i is i, i + 1, i + 2, ... so that every token tells where it belongs.
class CountingSource final : public swallow::SampleSource {
 public:
  explicit CountingSource(int64_t count) : count_(count) {}
  [[nodiscard]] int64_t size() const override { return count_; }
  void sample(int64_t index, std::span<int32_t> out) const override {
    std::iota(out.begin(), out.end(), static_cast<int32_t>(index));
  }
  [[nodiscard]] std::string describe(int64_t index, int64_t position) const override {
    return fmt::format("sample {} at {}", index, position);
  }

 private:
  int64_t count_;
};

struct Batch {
  Batch(int64_t s, int64_t b) : tokens(static_cast<size_t>(s * b)), targets(tokens.size()) {
    tokens_view = {tokens.data(), DType::i32, Shape{s, b}, {}};
    targets_view = {targets.data(), DType::i32, Shape{s, b}, {}};
  }
  std::vector<int32_t> tokens;
  std::vector<int32_t> targets;
  Tensor tokens_view;
  Tensor targets_view;
};

}  // namespace

TEST_CASE("a batch lies sequence first, targets one token later", "[unit][data]") {
  const CountingSource source(100);
  BatchLoader loader(source, {.micro_batch_size = 3, .seq_length = 4, .vocab_size = 1000});
  Batch batch(4, 3);
  loader.load(10, 2, batch.tokens_view, batch.targets_view);
  // Samples 16, 17, 18 are the columns.
  REQUIRE(batch.tokens == std::vector<int32_t>{16, 17, 18, 17, 18, 19, 18, 19, 20, 19, 20, 21});
  REQUIRE(batch.targets == std::vector<int32_t>{17, 18, 19, 18, 19, 20, 19, 20, 21, 20, 21, 22});
}

TEST_CASE("either half of a batch may be left out", "[unit][data]") {
  const CountingSource source(10);
  BatchLoader loader(source, {.micro_batch_size = 1, .seq_length = 2, .vocab_size = 100});
  Batch batch(2, 1);
  loader.load(5, 0, batch.tokens_view, {});
  REQUIRE(batch.tokens == std::vector<int32_t>{5, 6});
  REQUIRE(batch.targets == std::vector<int32_t>{0, 0});
  loader.load(5, 0, {}, batch.targets_view);
  REQUIRE(batch.targets == std::vector<int32_t>{6, 7});
}

TEST_CASE("a global step's samples do not depend on ranks or micro-batches", "[unit][data]") {
  const CountingSource source(1000);
  constexpr int64_t kGlobal = 144;
  for (const int dp : {1, 2, 3, 4, 8}) {
    for (const int64_t mbs : {1, 2, 3, 6}) {
      CAPTURE(dp, mbs);
      std::multiset<int32_t> seen;
      for (int rank = 0; rank < dp; ++rank) {
        BatchLoader loader(source, {.micro_batch_size = mbs,
                                    .seq_length = 1,
                                    .vocab_size = 10000,
                                    .dp_rank = rank,
                                    .dp_size = dp});
        Batch batch(1, mbs);
        for (int64_t k = 0; k < kGlobal / (dp * mbs); ++k) {
          loader.load(96, k, batch.tokens_view, {});
          seen.insert(batch.tokens.begin(), batch.tokens.end());
        }
      }
      std::multiset<int32_t> want;
      for (int32_t i = 96; i < 96 + kGlobal; ++i) want.insert(i);
      REQUIRE(seen == want);
    }
  }
}

TEST_CASE("a token outside the vocabulary is refused with its place", "[unit][data]") {
  const CountingSource source(100);
  BatchLoader loader(source, {.micro_batch_size = 2, .seq_length = 8, .vocab_size = 20});
  Batch batch(8, 2);
  loader.load(10, 0, batch.tokens_view, batch.targets_view);  // up to token 19
  const std::string message = swallow::test::message_of<swallow::DataError>(
      [&] { loader.load(11, 0, batch.tokens_view, batch.targets_view); });
  REQUIRE(message == "sample 12 at 8: token 20, the vocabulary has 20 (--vocab-size)");
}

TEST_CASE("a sample past the end is refused", "[unit][data]") {
  const CountingSource source(10);
  BatchLoader loader(source, {.micro_batch_size = 2, .seq_length = 2, .vocab_size = 100});
  Batch batch(2, 2);
  REQUIRE_NOTHROW(loader.load(8, 0, batch.tokens_view, {}));
  REQUIRE_THROWS_AS(loader.load(9, 0, batch.tokens_view, {}), swallow::DataError);
}

TEST_CASE("a tensor of another shape is refused", "[unit][data]") {
  const CountingSource source(10);
  BatchLoader loader(source, {.micro_batch_size = 2, .seq_length = 3, .vocab_size = 100});
  Batch batch(2, 3);
  REQUIRE_THROWS_AS(loader.load(0, 0, batch.tokens_view, {}), swallow::ContractError);
}
