#include "pipeline/schedule.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>

#include "pipeline/simulator.h"

using namespace swallow;

namespace {

using Generator = Schedule (*)(int, int, int64_t);

std::vector<Schedule> all_stages(Generator generate, int stages, int64_t microbatches) {
  std::vector<Schedule> schedules;
  for (int stage = 0; stage < stages; ++stage)
    schedules.push_back(generate(stage, stages, microbatches));
  return schedules;
}

void for_each_size(const std::function<void(int, int64_t)>& body) {
  for (int stages = 1; stages <= 16; ++stages)
    for (int64_t microbatches = 1; microbatches <= 40; microbatches += microbatches < 20 ? 1 : 5)
      body(stages, microbatches);
}

}  // namespace

TEST_CASE("no schedule deadlocks, and every micro-batch passes every stage once", "[unit]") {
  for (Generator generate : {&one_forward_one_backward, &gpipe, &forward_only})
    for_each_size([&](int stages, int64_t microbatches) {
      INFO(stages << " stages, " << microbatches << " micro-batches");
      REQUIRE(simulate(all_stages(generate, stages, microbatches), {}).error.empty());
    });
}

TEST_CASE("1F1B keeps at most min(stages - stage, micro-batches) in flight, GPipe all", "[unit]") {
  for_each_size([](int stages, int64_t microbatches) {
    const auto alternating =
        simulate(all_stages(&one_forward_one_backward, stages, microbatches), {});
    const auto all_first = simulate(all_stages(&gpipe, stages, microbatches), {});
    for (int stage = 0; stage < stages; ++stage) {
      const auto k = static_cast<size_t>(stage);
      const auto bound = static_cast<int>(std::min<int64_t>(stages - stage, microbatches));
      INFO("stage " << stage << " of " << stages << ", " << microbatches << " micro-batches");
      REQUIRE(alternating.peak_in_flight[k] == bound);
      REQUIRE(one_forward_one_backward(stage, stages, microbatches).num_slots == bound);
      REQUIRE(all_first.peak_in_flight[k] == microbatches);
    }
  });
}

TEST_CASE("both schedules lose (stages - 1) slots to the bubble", "[unit]") {
  const SimulationCosts costs = SimulationCosts::uniform(8, 1, 2);
  for (Generator generate : {&one_forward_one_backward, &gpipe}) {
    const auto result = simulate(all_stages(generate, 8, 64), costs);
    REQUIRE(result.time == Approx((64 + 7) * 3.0));
    for (const double busy : result.busy) REQUIRE(busy == Approx(64 * 3.0));
  }
}

TEST_CASE("the order of backwards is that of micro-batches in every schedule", "[unit]") {
  // Gradients are summed in this order, so schedules that share it share their bits.
  for (Generator generate : {&one_forward_one_backward, &gpipe}) {
    for (int stage = 0; stage < 4; ++stage) {
      int64_t expected = 0;
      for (const Step& step : generate(stage, 4, 9).steps)
        if (step.kind == Step::Kind::backward) REQUIRE(step.microbatch == expected++);
      REQUIRE(expected == 9);
    }
  }
}

TEST_CASE("the simulator finds what un-grouped sends and receives would do", "[unit]") {
  // Splitting every exchange into its single messages, receives first, must deadlock 1F1B.
  int deadlocks = 0;
  int sizes = 0;
  for (int stages = 2; stages <= 6; ++stages) {
    auto schedules = all_stages(&one_forward_one_backward, stages, 8);
    for (Schedule& schedule : schedules) {
      std::vector<Step> split;
      for (const Step& step : schedule.steps) {
        if (step.kind != Step::Kind::exchange) {
          split.push_back(step);
          continue;
        }
        for (size_t i = step.transfers.size(); i-- > 0;)
          split.push_back({Step::Kind::exchange, 0, {step.transfers[i]}});
      }
      schedule.steps = split;
    }
    ++sizes;
    if (simulate(schedules, {}).error.find("deadlock") != std::string::npos) ++deadlocks;
  }
  REQUIRE(deadlocks == sizes);
}

TEST_CASE("the simulator refuses schedules that compute without input or leave work", "[unit]") {
  auto schedules = all_stages(&one_forward_one_backward, 3, 4);
  SECTION("a forward before its activation has come") {
    std::swap(schedules[1].steps[0], schedules[1].steps[1]);
    REQUIRE_FALSE(simulate(schedules, {}).error.empty());
  }
  SECTION("a missing last step") {
    schedules[0].steps.pop_back();
    REQUIRE_FALSE(simulate(schedules, {}).error.empty());
  }
  SECTION("a backward done twice") {
    auto& steps = schedules[0].steps;
    steps.push_back(steps.back());
    REQUIRE_FALSE(simulate(schedules, {}).error.empty());
  }
}
