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

/// Steps of 2 s, of which all ranks but one are busy for 1 s.
RankMetrics metrics(double rank_2, int64_t step = 1) {
  return {.step = step,
          .steps = SlowRankWatch::kWindowSteps,
          .compute_seconds = {0.75, 0.75, 0.75, 0.75},
          .waiting_seconds = {2.0 - 1.0, 2.0 - 1.0, 2.0 - rank_2, 2.0 - 1.0},
          .data_seconds = {0.25, 0.25, rank_2 - 0.75, 0.25},
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
  for (const auto times :
       {&RankMetrics::compute_seconds, &RankMetrics::waiting_seconds, &RankMetrics::data_seconds}) {
    RankMetrics five = metrics(1.0);
    (five.*times).push_back(1.0);
    CHECK_THROWS_AS(report.add(five, {}), ContractError);
  }
}

TEST_CASE("every step is in one record, which has their means", "[unit][telemetry]") {
  RankReport report(places());
  const auto window = [](int64_t step, int64_t steps, double compute) {
    return RankMetrics{.step = step,
                       .steps = steps,
                       .compute_seconds = {compute, 0, 0, 0},
                       .waiting_seconds = {0, compute, 0, 0},
                       .data_seconds = {0, 0, 0, compute},
                       .peak_memory_bytes = {step, 0, 0, 0}};
  };
  const RankReport::Clock::time_point start{};
  const auto first = report.add(window(1, 1, 8), start);
  REQUIRE(first);
  CHECK(first->steps == 1);
  CHECK(first->compute_seconds[0] == 8);
  CHECK_FALSE(report.add(window(4, 3, 2), start + seconds(1)));
  const auto second = report.add(window(5, 1, 6), start + seconds(61));
  REQUIRE(second);
  CHECK(second->step == 5);
  CHECK(second->steps == 4);
  CHECK(second->compute_seconds == std::vector<double>{3, 0, 0, 0});
  CHECK(second->waiting_seconds == std::vector<double>{0, 3, 0, 0});
  CHECK(second->data_seconds == std::vector<double>{0, 0, 0, 3});
  CHECK(second->peak_memory_bytes[0] == 5);
  RankMetrics end = window(7, 2, 1);
  end.last = true;
  const auto last = report.add(end, start + seconds(62));
  REQUIRE(last);
  CHECK(last->steps == 2);
  CHECK(last->compute_seconds[0] == 1);
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
  CHECK(rows[1]["compute_seconds"] == std::vector(4, 0.75));
  CHECK(rows[1]["waiting_seconds"] == std::vector{1.0, 1.0, 0.5, 1.0});
  CHECK(rows[1]["data_seconds"] == std::vector{0.25, 0.25, 0.75, 0.25});
  CHECK(rows[1]["peak_memory_bytes"] == std::vector{10, 40, 30, 20});
  CHECK(rows[1]["hosts"] == std::vector<std::string>{"a", "b07"});
  CHECK(rows[1]["node_of_rank"] == std::vector{0, 0, 1, 1});
  CHECK(rows[2]["kind"] == "step");
}
