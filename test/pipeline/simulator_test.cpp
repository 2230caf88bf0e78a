#include "pipeline/simulator.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>

#include "base/check.h"

using namespace swallow;

namespace {

using Generator = Schedule (*)(int, int, int64_t);

constexpr Generator kSchedules[] = {&one_forward_one_backward, &gpipe};
constexpr Sending kSendings[] = {Sending::overlapped, Sending::blocking};

SimulationResult played(Generator generate, int stages, int64_t microbatches,
                        const SimulationCosts& costs) {
  std::vector<Schedule> schedules;
  for (int stage = 0; stage < stages; ++stage)
    schedules.push_back(generate(stage, stages, microbatches));
  SimulationResult result = simulate(schedules, costs);
  REQUIRE(result.error.empty());
  return result;
}

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

/// Forwards that cost most on one stage, backwards that cost most on another.
SimulationCosts uneven(double transfer, Sending sending) {
  return {.forward = {3, 1, 4, 1, 5},
          .backward = {2, 9, 5, 3, 5},
          .transfer = std::vector<double>(4, transfer),
          .sending = sending};
}

}  // namespace

TEST_CASE("equal stages without transfers take (m + p - 1) (f + b) under 1F1B and GPipe",
          "[unit]") {
  for (const Generator generate : kSchedules)
    for (const Sending sending : kSendings)
      for (const int p : {1, 2, 5, 16})
        for (const int64_t m : {1, 3, 40}) {
          INFO(p << " stages, " << m << " micro-batches");
          SimulationCosts costs = SimulationCosts::uniform(p, 2, 5);
          costs.sending = sending;
          const SimulationResult result = played(generate, p, m, costs);
          const auto slots = static_cast<double>(m + p - 1);
          CHECK(result.time == Approx(slots * 7));
          CHECK(result.bubble() == Approx((p - 1) / slots).margin(1e-12));
        }
}

TEST_CASE("GPipe on uneven stages goes at the pace of the slowest forward, then backward",
          "[unit]") {
  // As a flow shop of equal jobs: the first goes through every stage, then the slowest gives one
  // after the other.
  for (const Sending sending : kSendings)
    for (const int64_t m : {1, 2, 30}) {
      const SimulationCosts costs = uneven(0, sending);
      const double pace = std::ranges::max(costs.forward) + std::ranges::max(costs.backward);
      CHECK(played(&gpipe, 5, m, costs).time ==
            Approx(sum(costs.forward) + sum(costs.backward) + static_cast<double>(m - 1) * pace));
    }
}

TEST_CASE("transfers between two stages cost 1F1B one a micro-batch, GPipe two", "[unit]") {
  // With f = 2, b = 5, t = 0.5, by hand. 1F1B: the stages compute at the same time and then
  // exchange in both directions at once. GPipe: a stage waits for the next input after it has
  // computed, forwards and then backwards.
  for (const Sending sending : kSendings)
    for (const int64_t m : {1, 2, 9}) {
      SimulationCosts costs = SimulationCosts::uniform(2, 2, 5, 0.5);
      costs.sending = sending;
      const auto n = static_cast<double>(m);
      CHECK(played(&one_forward_one_backward, 2, m, costs).time == Approx((n + 1) * (7 + 0.5)));
      CHECK(played(&gpipe, 2, m, costs).time == Approx((n + 1) * 7 + 2 * n * 0.5));
    }
}

TEST_CASE("a stage computes on while its activation is on its way, unless sending blocks",
          "[unit]") {
  // A slow first stage (10 + 10) and a fast second (1 + 1), 5 for a transfer, two micro-batches.
  // Overlapped: forwards at 0 and 10; the second is sent and the first gradient fetched from 20 to
  // 25; backward; gradient from 35 to 40; backward. Blocking: the second forward begins at 15.
  SimulationCosts costs{.forward = {10, 1}, .backward = {10, 1}, .transfer = {5}};
  CHECK(played(&one_forward_one_backward, 2, 2, costs).time == Approx(50));
  costs.sending = Sending::blocking;
  CHECK(played(&one_forward_one_backward, 2, 2, costs).time == Approx(55));
}

TEST_CASE("a stage does not overwrite an output that is still being sent", "[unit]") {
  // One stage that only sends, and a transfer of 10 against forwards of 1: sends end at 11, 21, 31;
  // the third forward needs the first buffer, so it begins at 11, the fourth at 21.
  std::vector<Schedule> schedules = {{.stage = 0, .num_stages = 2, .num_microbatches = 4},
                                     {.stage = 1, .num_stages = 2, .num_microbatches = 4}};
  using Kind = StageTransfer::Kind;
  for (int64_t i = 0; i < 4; ++i) {
    schedules[0].steps.push_back({Step::Kind::forward, i, {}});
    schedules[0].steps.push_back({Step::Kind::exchange, 0, {{Kind::send_activation, i}}});
    schedules[1].steps.push_back({Step::Kind::exchange, 0, {{Kind::receive_activation, i}}});
    schedules[1].steps.push_back({Step::Kind::forward, i, {}});
  }
  const SimulationResult result =
      simulate(schedules, {.forward = {1, 0}, .backward = {}, .transfer = {10}});
  REQUIRE(result.error.empty());
  std::vector<double> begins;
  for (const PipelineSpan& span : result.spans)
    if (span.stage == 0) begins.push_back(span.begin);
  CHECK(begins == std::vector<double>{0, 1, 11, 21});
}

TEST_CASE("spans of a stage do not overlap, keep its schedule's order and add up to its busy time",
          "[unit]") {
  for (const Generator generate : kSchedules)
    for (const Sending sending : kSendings)
      for (const double transfer : {0.0, 0.25, 7.0}) {
        const SimulationCosts costs = uneven(transfer, sending);
        const SimulationResult result = played(generate, 5, 12, costs);
        REQUIRE(result.spans.size() == 5 * 12 * 2);
        for (int stage = 0; stage < 5; ++stage) {
          const auto k = static_cast<size_t>(stage);
          double clock = 0;
          double busy = 0;
          size_t next = 0;
          std::vector<Step> computed = generate(stage, 5, 12).steps;
          std::erase_if(computed, [](const Step& s) { return s.kind == Step::Kind::exchange; });
          for (const PipelineSpan& span : result.spans) {
            if (span.stage != stage) continue;
            const bool forward = span.kind == Step::Kind::forward;
            REQUIRE(span.begin >= clock);
            REQUIRE(span.end - span.begin ==
                    Approx(forward ? costs.forward[k] : costs.backward[k]));
            REQUIRE(span.kind == computed.at(next).kind);
            REQUIRE(span.microbatch == computed.at(next).microbatch);
            ++next;
            clock = span.end;
            busy += span.end - span.begin;
          }
          CHECK(next == computed.size());
          CHECK(result.time >= clock);
          CHECK(result.busy[k] == Approx(busy));
          CHECK(busy == Approx(12 * (costs.forward[k] + costs.backward[k])));
        }
      }
}

TEST_CASE("no micro-batch is computed before its input has come over", "[unit]") {
  for (const Generator generate : kSchedules) {
    const double transfer = 0.75;
    const SimulationResult result = played(generate, 5, 12, uneven(transfer, Sending::overlapped));
    const auto find = [&](int stage, Step::Kind kind, int64_t microbatch) {
      return *std::ranges::find_if(result.spans, [&](const PipelineSpan& span) {
        return span.stage == stage && span.kind == kind && span.microbatch == microbatch;
      });
    };
    for (int64_t i = 0; i < 12; ++i)
      for (int stage = 0; stage + 1 < 5; ++stage) {
        const auto forward = Step::Kind::forward;
        const auto backward = Step::Kind::backward;
        CHECK(find(stage + 1, forward, i).begin >= find(stage, forward, i).end + transfer);
        CHECK(find(stage, backward, i).begin >= find(stage + 1, backward, i).end + transfer);
      }
  }
}

TEST_CASE("costs that are not one for each stage are refused", "[unit]") {
  const std::vector<Schedule> schedules = {gpipe(0, 2, 1), gpipe(1, 2, 1)};
  CHECK_THROWS_AS(simulate(schedules, SimulationCosts::uniform(3, 1, 2)), ContractError);
  CHECK_THROWS_AS(simulate(schedules, {.forward = {1}, .backward = {}, .transfer = {}}),
                  ContractError);
}
