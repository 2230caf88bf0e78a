#include "bench/node_findings.h"

#include <catch2/catch.hpp>

using namespace swallow;

namespace {

Reading rate(int rank, double value) {
  return {.what = "memory",
          .unit = "GB/s",
          .among = "a GPU",
          .ranks = {rank},
          .value = value,
          .best = value};
}

std::vector<Reading> rates(const std::vector<double>& values) {
  std::vector<Reading> readings;
  for (size_t rank = 0; rank < values.size(); ++rank)
    readings.push_back(rate(static_cast<int>(rank), values[rank]));
  return readings;
}

std::vector<int> outlying_ranks(const std::vector<Reading>& readings) {
  std::vector<int> ranks;
  for (const Outlier& outlier : find_outliers(readings))
    ranks.insert(ranks.end(), outlier.reading.ranks.begin(), outlier.reading.ranks.end());
  return ranks;
}

using Ranks = std::vector<int>;

/// All pairs of `size` ranks, slow by half where `slow` says so.
template <class Slow>
std::vector<Reading> pairs(int size, const Slow& slow) {
  std::vector<Reading> readings;
  for (int a = 0; a < size; ++a)
    for (int b = a + 1; b < size; ++b)
      readings.push_back({.what = "pair, DP group",
                          .unit = "GB/s",
                          .among = "between hosts",
                          .ranks = {a, b},
                          .value = slow(a, b) ? 5.0 : 10.0 + 0.01 * (a + b),
                          .best = 11});
  return readings;
}

}  // namespace

TEST_CASE("a rate more than a tenth below the median is an outlier", "[unit]") {
  CHECK(outlying_ranks(rates({100, 101, 99, 100, 91, 100})).empty());
  CHECK(outlying_ranks(rates({100, 101, 99, 100, 89, 100})) == Ranks{4});
  CHECK(outlying_ranks(rates({100, 101, 99, 100, 200, 100})).empty());  // better is no fault
  CHECK(outlying_ranks(rates({100, 80})) == Ranks{1});                  // of two the worse
  CHECK(outlying_ranks(rates({100})).empty());
  CHECK(outlying_ranks({}).empty());
  const auto outliers = find_outliers(rates({100, 100, 70, 100}));
  REQUIRE(outliers.size() == 1);
  CHECK(outliers[0].usual == 100);
  CHECK(outliers[0].excess() == Approx(0.3));
}

TEST_CASE("where all readings vary nobody is named for it", "[unit]") {
  CHECK(outlying_ranks(rates({100, 80, 120, 70, 110, 90, 130, 60})).empty());
  CHECK(outlying_ranks(rates({100, 80, 120, 70, 110, 90, 130, 5})) == Ranks{7});
}

TEST_CASE("latencies are worse when they are longer, and may be so by half", "[unit]") {
  auto readings = rates({10, 10, 14, 10, 16, 5});
  for (Reading& reading : readings) reading.less_is_better = true;
  CHECK(outlying_ranks(readings) == Ranks{4});
  CHECK(find_outliers(readings)[0].excess() == Approx(0.6));
}

TEST_CASE("unlike things are not compared", "[unit]") {
  auto readings = rates({100, 100, 50, 50});
  readings[2].among = readings[3].among = "another GPU";
  CHECK(outlying_ranks(readings).empty());
  readings[2].among = "a GPU";
  CHECK(outlying_ranks(readings) == Ranks{2});
}

TEST_CASE("a rank that is slow with everybody is named, not its partners", "[unit]") {
  const std::vector<int> nodes = {0, 1, 2, 3};
  const auto readings = pairs(4, [](int a, int b) { return a == 2 || b == 2; });
  const Findings findings = judge(readings, {}, {}, nodes);
  REQUIRE(findings.outliers.size() == 1);
  CHECK(findings.outliers[0].reading.what == "rank's pair, DP group");
  CHECK(findings.outliers[0].reading.ranks == Ranks{2});
  CHECK(findings.bad_ranks == Ranks{2});
}

TEST_CASE("a single slow way is named as a pair, and blames nobody between hosts", "[unit]") {
  const auto readings = pairs(6, [](int a, int b) { return a == 1 && b == 4; });
  const Findings apart = judge(readings, {}, {}, std::vector{0, 0, 0, 1, 1, 1});
  REQUIRE(apart.outliers.size() == 1);
  CHECK(apart.outliers[0].reading.ranks == Ranks{1, 4});
  CHECK(apart.bad_ranks.empty());
  CHECK_FALSE(apart.empty());
  const Findings together = judge(readings, {}, {}, std::vector{0, 0, 1, 1, 0, 1});
  CHECK(together.bad_ranks == Ranks{1, 4});
}

TEST_CASE("a result that is not the others' is wrong, whoever is right", "[unit]") {
  using Hashes = std::map<std::string, std::string>;
  const Hashes good = {{"product bf16 on a GPU", "aa"}, {"product f32 on a GPU", "bb"}};
  const Hashes bad = {{"product bf16 on a GPU", "aa"}, {"product f32 on a GPU", "cc"}};
  const Hashes worse = {{"product bf16 on a GPU", "aa"}, {"product f32 on a GPU", "dd"}};
  const Hashes other_kind = {{"product f32 on another GPU", "ee"}};
  CHECK(find_other_results(std::vector{good, good, other_kind}).empty());
  const auto one = find_other_results(std::vector{good, bad, good, worse, good});
  REQUIRE(one.size() == 2);
  CHECK(one[0].ranks == Ranks{1});
  CHECK(one[1].ranks == Ranks{3});
  CHECK_THAT(one[0].what, Catch::Contains("product f32 on a GPU gives other bits"));
  const auto tie = find_other_results(std::vector{good, bad});
  REQUIRE(tie.size() == 1);
  CHECK(tie[0].ranks == Ranks{0, 1});

  const std::vector<int> nodes = {0, 1, 2, 3, 4};
  const std::vector hashes = {good, bad, good, worse, good};
  CHECK(judge({}, {}, hashes, nodes).bad_ranks == Ranks{1, 3});
  CHECK(judge({}, {{"a sum", {4}}, {"a message", {0, 1}}}, {}, nodes).bad_ranks == Ranks{4});
  CHECK(judge(rates({1, 1, 1}), {}, std::vector{good, good, good}, nodes).empty());
}
