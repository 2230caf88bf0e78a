#include "data/sample_index.h"

#include <catch2/catch.hpp>
#include <numeric>
#include <set>

#include "base/check.h"
#include "data/fixtures.h"
#include "data/gpt_dataset.h"
#include "data/numpy_random.h"

using swallow::SampleIndex;
using swallow::SampleOrder;
using swallow::test::TemporaryFolder;

namespace {

/// The definition, step by step, with every token laid out: what SampleIndex must agree with.
struct PlainOrder {
  int64_t epochs = 1;
  bool separate = false;
  std::vector<int32_t> documents;
  std::vector<SampleIndex::Position> rows;
  std::vector<uint32_t> shuffle;
};

PlainOrder plain_order(const std::vector<int32_t>& lengths, const SampleOrder& order) {
  PlainOrder plain;
  const int64_t n = order.num_samples;
  const int64_t s = order.sequence_length;
  int64_t t = 0;
  for (int64_t d = order.sequences.begin; d < order.sequences.end; ++d) {
    t += lengths[static_cast<size_t>(d)];
  }
  while (plain.epochs * t < n * s + 1) ++plain.epochs;
  int64_t previous = 0;
  if (plain.epochs > 1) {
    previous = ((plain.epochs - 1) * t - 1) / s;
    const auto per_epoch = static_cast<double>((t - 1) / s);
    plain.separate = n - previous < static_cast<int64_t>(0.80 * per_epoch);
  }
  swallow::NumpyRandomState random(order.seed);
  const auto lay = [&](int64_t epochs) {
    std::vector<int32_t> part;
    for (int64_t e = 0; e < epochs; ++e) {
      for (int64_t d = order.sequences.begin; d < order.sequences.end; ++d) {
        part.push_back(static_cast<int32_t>(d));
      }
    }
    random.shuffle(std::span(part));
    plain.documents.insert(plain.documents.end(), part.begin(), part.end());
  };
  lay(plain.separate ? plain.epochs - 1 : plain.epochs);
  if (plain.separate) lay(1);

  std::vector<SampleIndex::Position> tokens;
  for (size_t entry = 0; entry < plain.documents.size(); ++entry) {
    for (int64_t i = 0; i < lengths[static_cast<size_t>(plain.documents[entry])]; ++i) {
      tokens.push_back({static_cast<int64_t>(entry), i});
    }
  }
  const int64_t total = (plain.epochs * t - 1) / s;
  plain.rows.push_back({0, 0});
  for (int64_t row = 1; row <= total; ++row) {
    plain.rows.push_back(tokens[static_cast<size_t>(row * s)]);
  }
  const auto border = static_cast<size_t>(plain.separate ? previous : total);
  plain.shuffle.resize(static_cast<size_t>(total));
  std::iota(plain.shuffle.begin(), plain.shuffle.end(), 0U);
  random.shuffle(std::span(plain.shuffle).first(border));
  random.shuffle(std::span(plain.shuffle).subspan(border));
  return plain;
}

void require_equal(const std::vector<int32_t>& lengths, const SampleOrder& order) {
  CAPTURE(order.num_samples, order.sequence_length, order.sequences.begin, order.sequences.end);
  const PlainOrder plain = plain_order(lengths, order);
  const SampleIndex index(lengths, order);
  REQUIRE(index.plan().epochs == plain.epochs);
  REQUIRE(index.plan().separate_last == plain.separate);
  const auto documents = index.document_order();
  REQUIRE(std::vector<int32_t>(documents.begin(), documents.end()) == plain.documents);
  REQUIRE(index.size() == static_cast<int64_t>(plain.shuffle.size()));
  for (size_t i = 0; i < plain.shuffle.size(); ++i) {
    REQUIRE(index.row_of(static_cast<int64_t>(i)) == plain.shuffle[i]);
  }
  for (size_t row = 0; row < plain.rows.size(); ++row) {
    CAPTURE(row);
    REQUIRE(index.position(static_cast<int64_t>(row)) == plain.rows[row]);
  }
}

}  // namespace

TEST_CASE("the order agrees with its plain definition", "[unit][data]") {
  const std::vector<int32_t> uneven = swallow::test::uneven_lengths(60);
  for (const int64_t s : {1, 2, 7, 31, 32, 33, 500, 4000}) {
    for (const int64_t n : {0, 1, 3, 20, 100, 101}) {
      require_equal(uneven, {{0, 60}, n, s, 1234});
      require_equal(uneven, {{17, 29}, n, s, 3});
    }
  }
  require_equal({0, 0, 5, 0, 0, 9, 0}, {{0, 7}, 11, 3, 1234});  // empty documents all around
  require_equal({1}, {{0, 1}, 5, 4, 1234});                     // one token, again and again
  require_equal({1, 1, 1}, {{0, 3}, 10, 2, 1});
  require_equal({10, 10}, {{0, 2}, 2, 8, 1234});  // n s + 1 = 17 of 20 tokens
  require_equal({10, 10}, {{0, 2}, 3, 19, 1234});
}

TEST_CASE("the last epoch is separate exactly below 80 % of an epoch", "[unit][data]") {
  // T = 101, s = 10: 10 samples an epoch, so the border lies at int(0.8 * 10) = 8.
  const std::vector<int32_t> lengths(101, 1);
  const auto separate = [&](int64_t n) {
    return SampleIndex(lengths, {{0, 101}, n, 10, 1234}).plan().separate_last;
  };
  REQUIRE_FALSE(separate(10));  // one epoch
  REQUIRE(separate(11));        // 1 of the second
  REQUIRE(separate(17));        // 7
  REQUIRE_FALSE(separate(18));  // 8
}

TEST_CASE("an epoch's samples hold each token once, but for shared borders", "[unit][data]") {
  const TemporaryFolder folder;
  const std::vector<int32_t> lengths = swallow::test::uneven_lengths(100);
  swallow::test::write_dataset(folder / "d", lengths);
  const swallow::IndexedDataset files(folder / "d");
  constexpr int64_t kLength = 50;
  const swallow::GptDataset dataset(files, {{0, 100}, 10, kLength, 1234});
  REQUIRE(dataset.index().plan().epochs == 1);

  std::multiset<int32_t> inputs;
  std::vector<int32_t> sample(kLength + 1);
  for (int64_t i = 0; i < dataset.size(); ++i) {
    dataset.sample(i, sample);
    inputs.insert(sample.begin(), sample.end() - 1);
  }
  // Tokens are numbered through, so a token twice would be a number twice.
  REQUIRE(std::set<int32_t>(inputs.begin(), inputs.end()).size() == inputs.size());
  REQUIRE(static_cast<int64_t>(inputs.size()) == (files.num_tokens() - 1) / kLength * kLength);
}

TEST_CASE("a sample is its row's slice of the documents laid end to end", "[unit][data]") {
  const TemporaryFolder folder;
  const std::vector<int32_t> lengths = swallow::test::uneven_lengths(40);
  swallow::test::write_dataset(folder / "d", lengths);
  const swallow::IndexedDataset files(folder / "d");
  std::vector<int32_t> begins = {0};
  for (const int32_t length : lengths) begins.push_back(begins.back() + length);

  const SampleOrder order{{3, 37}, 150, 24, 1234};
  const swallow::GptDataset dataset(files, order);
  const PlainOrder plain = plain_order(lengths, order);
  std::vector<int32_t> stream;
  for (const int32_t d : plain.documents) {
    for (int32_t i = 0; i < lengths[static_cast<size_t>(d)]; ++i) {
      stream.push_back(begins[static_cast<size_t>(d)] + i);
    }
  }
  std::vector<int32_t> sample(25);
  for (int64_t i = 0; i < dataset.size(); ++i) {
    dataset.sample(i, sample);
    const auto begin = stream.begin() + plain.shuffle[static_cast<size_t>(i)] * 24;
    REQUIRE(sample == std::vector<int32_t>(begin, begin + 25));
  }
}

TEST_CASE("an order of nothing or of too much is refused", "[unit][data]") {
  const std::vector<int32_t> empty(5, 0);
  REQUIRE_THROWS_AS(SampleIndex(empty, {{0, 5}, 1, 8, 1}), swallow::DataError);
  const std::vector<int32_t> some(5, 3);
  REQUIRE_THROWS_AS(SampleIndex(some, {{2, 2}, 1, 8, 1}), swallow::DataError);
  REQUIRE_THROWS_AS(SampleIndex(some, {{0, 5}, int64_t{1} << 33, 8, 1}), swallow::ConfigError);
}
