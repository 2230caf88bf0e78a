#include "telemetry/rank_report.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/check.h"
#include "support/scratch_folder.h"
#include "telemetry/metrics_log.h"

using namespace swallow;
using Catch::Contains;
using std::chrono::seconds;

namespace {

/// Two hosts of two ranks.
RankPlaces places() {
  return {.stage_of_rank = {0, 0, 0, 0}, .node_of_rank = {0, 0, 1, 1}, .host_names = {"a", "b07"}};
}

RankMetrics metrics(double rank_2, int64_t step = 1) {
  return {.step = step,
          .steps = SlowRankWatch::kWindowSteps,
          .compute_seconds = {1.0, 1.0, rank_2, 1.0},
          .peak_memory_bytes = {10, 40, 30, 20}};
}

}  // namespace

TEST_CASE("a report names rank and host while it is slow, and counts for the end",
          "[unit][telemetry]") {
  RankReport report(places());
  const RankReport::Clock::time_point now{};
  report.add(metrics(1.5), now);
  CHECK(report.note().empty());
  CHECK(report.summary().empty());
  report.add(metrics(1.25), now);
  CHECK(report.note() == "slow: rank 2 (host b07) +25 %");
  report.add(metrics(1.18), now);
  CHECK(report.note() == "slow: rank 2 (host b07) +18 %");
  report.add(metrics(1.0), now);
  CHECK(report.note().empty());
  CHECK(report.summary() == "rank 2 (host b07) in 2 of 4 windows, +25 % at worst");
}

TEST_CASE("a record is due at first, once a minute and when the slow rank changes",
          "[unit][telemetry]") {
  RankReport report(places());
  const RankReport::Clock::time_point start{};
  CHECK(report.add(metrics(1.0), start));
  CHECK_FALSE(report.add(metrics(1.0), start + seconds(59)));
  CHECK(report.add(metrics(1.0), start + seconds(60)));
  CHECK_FALSE(report.add(metrics(1.0), start + seconds(119)));
  CHECK(report.add(metrics(1.5), start + seconds(120)));
  CHECK(report.add(metrics(1.5), start + seconds(121)));  // named from now on
  CHECK_FALSE(report.add(metrics(1.5), start + seconds(122)));
  CHECK(report.add(metrics(1.0), start + seconds(123)));  // and no more
}

TEST_CASE("times of more ranks than there are places break a contract", "[unit][telemetry]") {
  RankReport report(places());
  RankMetrics five = metrics(1.0);
  five.compute_seconds.push_back(1.0);
  CHECK_THROWS_AS(report.add(five, {}), ContractError);
}

TEST_CASE("the times of all ranks are a line of the metrics file", "[unit][telemetry]") {
  const test::ScratchFolder scratch;
  std::ostringstream console;
  MetricsLog log({.jsonl_path = scratch / "metrics.jsonl", .world_size = 4, .places = places()},
                 console);
  log.write(metrics(1.5, 5));
  log.write(metrics(1.5, 10));
  log.write(StepMetrics{.step = 10, .seconds = 1.6, .tokens = 1});
  CHECK_THAT(console.str(), Contains("  slow: rank 2 (host b07) +50 %\n"));
  CHECK_THAT(log.summary().text(), Contains("rank 2 (host b07) in 1 of 2 windows"));

  std::ifstream file(scratch / "metrics.jsonl");
  std::vector<nlohmann::json> rows;
  for (std::string line; std::getline(file, line);) rows.push_back(nlohmann::json::parse(line));
  REQUIRE(rows.size() == 3);
  CHECK(rows[0]["kind"] == "ranks");
  CHECK(rows[0]["step"] == 5);
  CHECK(rows[0]["slow"] == "");
  CHECK(rows[1]["slow"] == "slow: rank 2 (host b07) +50 %");
  CHECK(rows[1]["steps"] == SlowRankWatch::kWindowSteps);
  CHECK(rows[1]["compute_seconds"] == std::vector{1.0, 1.0, 1.5, 1.0});
  CHECK(rows[1]["peak_memory_bytes"] == std::vector{10, 40, 30, 20});
  CHECK(rows[1]["hosts"] == std::vector<std::string>{"a", "b07"});
  CHECK(rows[1]["node_of_rank"] == std::vector{0, 0, 1, 1});
  CHECK(rows[2]["kind"] == "step");
}
