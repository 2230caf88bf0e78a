// The order of samples is the one that NumPy gives by Megatron-core's rules, exactly.
#include <catch2/catch.hpp>
#include <numeric>

#include "data/blended_dataset.h"
#include "data/datasets.h"
#include "data/fixtures.h"
#include "data/numpy_random.h"
#include "data/order_fixture.h"
#include "data/sample_index.h"
#include "data/split.h"

using namespace swallow;
using swallow::test::order_fixture;
using swallow::test::require_digest;

namespace {

using Numbers = std::vector<int64_t>;

Numbers numbers(const nlohmann::json& json) {
  return json.get<Numbers>();
}

template <class Range>
Numbers numbers_of(const Range& range) {
  return {range.begin(), range.end()};
}

}  // namespace

TEST_CASE("permutations are NumPy's across powers of two", "[unit][data][golden]") {
  for (const auto& known : order_fixture().at("permutations")) {
    std::vector<uint32_t> values(known.at("size").get<size_t>());
    CAPTURE(known.at("seed"), values.size());
    std::iota(values.begin(), values.end(), 0U);
    NumpyRandomState(known.at("seed")).shuffle(std::span(values));
    require_digest(numbers_of(values), known.at("order"));
  }
}

TEST_CASE("a shuffle of more than 2^32 items draws 64 bits as NumPy does, and 32 below",
          "[unit][data][golden]") {
  for (const auto& known : order_fixture().at("huge_swaps")) {
    CAPTURE(known.at("seed"), known.at("size"));
    NumpyRandomState random(known.at("seed"));
    uint64_t i = known.at("size");
    Numbers partners;
    while (partners.size() < known.at("partners").size())
      partners.push_back(static_cast<int64_t>(random.interval(--i)));
    REQUIRE(partners == numbers(known.at("partners")));
  }
}

TEST_CASE("bounded draws are NumPy's on both sides of 32 bits", "[unit][data][golden]") {
  for (const auto& known : order_fixture().at("bounded_draws")) {
    CAPTURE(known.at("seed"), known.at("max"));
    NumpyRandomState random(known.at("seed"));
    Numbers draws;
    while (draws.size() < known.at("draws").size())
      draws.push_back(static_cast<int64_t>(random.interval(known.at("max"))));
    REQUIRE(draws == numbers(known.at("draws")));
  }
}

TEST_CASE("sums of doubles have numpy.sum's last bit", "[unit][data][golden]") {
  std::vector<double> values;
  for (uint64_t i = 0; i < 300; ++i)
    values.push_back(static_cast<double>(i * 2654435761ULL % 1000003) / 1000003);
  for (const auto& known : order_fixture().at("sums")) {
    CAPTURE(known.at("count"));
    REQUIRE(numpy_sum(std::span(values).first(known.at("count"))) == known.at("sum").get<double>());
  }
}

TEST_CASE("document, sample and shuffle indices are those made with NumPy",
          "[unit][data][golden]") {
  for (const auto& known : order_fixture().at("orders")) {
    CAPTURE(known);
    const auto lengths = known.contains("uneven") ? test::uneven_lengths(known.at("uneven"))
                                                  : known.at("lengths").get<std::vector<int32_t>>();
    const SampleIndex index(
        lengths,
        {{known.at("begin"), known.at("end")}, known.at("n"), known.at("s"), known.at("seed")});
    REQUIRE(index.plan().epochs == known.at("epochs"));
    REQUIRE(index.plan().separate_last == known.at("separate"));
    REQUIRE(index.size() == known.at("size"));
    require_digest(numbers_of(index.document_order()), known.at("documents"));
    Numbers entries;
    Numbers offsets;
    Numbers shuffle;
    for (int64_t i = 0; i <= index.size(); ++i) {
      const auto [entry, offset] = index.position(i);
      entries.push_back(entry);
      offsets.push_back(offset);
      if (i < index.size()) shuffle.push_back(index.row_of(i));
    }
    require_digest(entries, known.at("entries"));
    require_digest(offsets, known.at("offsets"));
    require_digest(shuffle, known.at("shuffle"));
  }
}

TEST_CASE("blends of two to nine datasets are those made with NumPy", "[unit][data][golden]") {
  for (const auto& known : order_fixture().at("blends")) {
    const auto weights = known.at("weights").get<std::vector<double>>();
    CAPTURE(weights, known.at("n"));
    const std::vector<double> shares = normalised(weights);
    REQUIRE(shares == known.at("shares").get<std::vector<double>>());
    const BlendSizes sizes = blend_sizes(shares, known.at("n"));
    REQUIRE(sizes.target == numbers(known.at("targets")));
    REQUIRE(sizes.built == numbers(known.at("built")));
    const BlendIndex index(shares, sizes.total);
    REQUIRE(numbers_of(index.used()) == numbers(known.at("used")));
    Numbers datasets;
    Numbers samples;
    for (int64_t i = 0; i < index.size(); ++i) {
      datasets.push_back(index.pick(i).dataset);
      samples.push_back(index.pick(i).sample);
    }
    require_digest(datasets, known.at("datasets"));
    require_digest(samples, known.at("samples"));
  }
}

TEST_CASE("split borders are NumPy's and Python's, ties to even", "[unit][data][golden]") {
  for (const auto& known : order_fixture().at("splits")) {
    CAPTURE(known);
    const auto ranges = split_ranges(known.at("split").get<std::string>(), known.at("count"));
    const Numbers borders = numbers(known.at("borders"));
    for (size_t i = 0; i < ranges.size(); ++i)
      REQUIRE(ranges[i] == SequenceRange{borders[i], borders[i + 1]});
  }
}

TEST_CASE("the sizes of the sets and of a blend's parts are Megatron's", "[unit][data][golden]") {
  for (const auto& known : order_fixture().at("sizes")) {
    CAPTURE(known);
    DataOptions options;
    options.train_iters = known.at("train_iters");
    options.global_batch_size = known.at("global_batch_size");
    options.eval_interval = known.at("eval_interval");
    options.eval_iters = known.at("eval_iters");
    const std::vector<double> shares = normalised(known.at("weights").get<std::vector<double>>());
    const auto require_sizes = [&](int64_t samples, const nlohmann::json& set) {
      REQUIRE(samples == set.at("samples"));
      const BlendSizes sizes = blend_sizes(shares, samples);
      REQUIRE(sizes.target == numbers(set.at("targets")));
      REQUIRE(sizes.built == numbers(set.at("built")));
    };
    require_sizes(num_train_samples(options), known.at("train"));
    require_sizes(num_valid_samples(options), known.at("valid"));
    require_sizes(num_test_samples(options), known.at("test"));
  }
}
