#include "telemetry/slow_rank.h"

#include <catch2/catch.hpp>

using namespace swallow;

namespace {

const std::vector<int> kOneStage(8, 0);

/// Eight ranks of one stage, of which number 5 takes `seconds`.
std::vector<double> with_rank_5(double seconds) {
  std::vector<double> times = {1.00, 1.02, 0.99, 1.01, 0.98, 1.00, 1.03, 1.00};
  times[5] = seconds;
  return times;
}

}  // namespace

TEST_CASE("the rank over its stage's median by more than a tenth is slow", "[unit][telemetry]") {
  CHECK_FALSE(find_slow_rank(with_rank_5(1.0), kOneStage));
  CHECK_FALSE(find_slow_rank(with_rank_5(1.09), kOneStage));
  const auto slow = find_slow_rank(with_rank_5(1.18), kOneStage);
  REQUIRE(slow);
  CHECK(slow->rank == 5);
  CHECK(slow->excess == Approx(0.18));
  CHECK_FALSE(find_slow_rank(with_rank_5(0.2), kOneStage));  // a fast one holds nobody up
  CHECK_FALSE(find_slow_rank({}, {}));
}

TEST_CASE("a tenth of next to nothing is noise", "[unit][telemetry]") {
  std::vector<double> times(8, 0.004);
  times[2] = 0.0059;  // half as long again, 1.9 ms
  CHECK_FALSE(find_slow_rank(times, kOneStage));
  times[2] = 0.0061;
  CHECK(find_slow_rank(times, kOneStage)->rank == 2);
}

TEST_CASE("stages differ in work: ranks are compared within theirs", "[unit][telemetry]") {
  const std::vector<int> stages = {0, 0, 0, 1, 1, 1};
  CHECK_FALSE(find_slow_rank(std::vector{1.0, 1.0, 1.0, 2.0, 2.0, 2.0}, stages));
  // 15 % over its own median, which is far below the other stage's times.
  CHECK(find_slow_rank(std::vector{1.0, 1.15, 1.0, 2.0, 2.1, 2.0}, stages)->rank == 1);
  CHECK(find_slow_rank(std::vector{1.0, 1.15, 1.0, 2.0, 2.6, 2.0}, stages)->rank == 4);
  CHECK_FALSE(find_slow_rank(std::vector{1.0, 9.0}, std::vector{0, 1}));  // alone on its stage
}

TEST_CASE("of two ranks, or two equal halves, the slower is the slow one", "[unit][telemetry]") {
  CHECK(find_slow_rank(std::vector{1.0, 1.3}, std::vector{0, 0})->rank == 1);
  const std::vector<double> half = {1.0, 1.3, 1.0, 1.3, 1.0, 1.35, 1.0, 1.3};
  CHECK(find_slow_rank(half, kOneStage)->rank == 5);
}

TEST_CASE("a rank is named when it is slow in two windows in a row", "[unit][telemetry]") {
  SlowRankWatch watch(kOneStage);
  constexpr int64_t kSteps = SlowRankWatch::kWindowSteps;
  CHECK(watch.add(with_rank_5(1.5), kSteps));
  CHECK_FALSE(watch.named());
  CHECK(watch.add(with_rank_5(1.3), 2 * kSteps));  // a longer interval is one window
  REQUIRE(watch.named());
  CHECK(watch.named()->rank == 5);
  CHECK(watch.named()->excess == Approx(0.3));
  CHECK(watch.add(with_rank_5(1.0), kSteps));
  CHECK_FALSE(watch.named());
  CHECK(watch.add(with_rank_5(1.5), kSteps));
  CHECK_FALSE(watch.named());  // it must hold anew
}

TEST_CASE("different ranks in turn are noise", "[unit][telemetry]") {
  SlowRankWatch watch(kOneStage);
  for (int i = 0; i < 8; ++i) {
    std::vector<double> times(8, 1.0);
    times[static_cast<size_t>(i % 8)] = 1.5;
    watch.add(times, SlowRankWatch::kWindowSteps);
    CHECK_FALSE(watch.named());
  }
}

TEST_CASE("short intervals are put together, so that one long step names nobody",
          "[unit][telemetry]") {
  SlowRankWatch watch(kOneStage);
  for (int64_t step = 1; step <= 4 * SlowRankWatch::kWindowSteps; ++step) {
    const bool hiccup = step % SlowRankWatch::kWindowSteps == 1;
    const bool ended = watch.add(with_rank_5(hiccup ? 1.4 : 1.0), 1);
    CHECK(ended == (step % SlowRankWatch::kWindowSteps == 0));
    CHECK_FALSE(watch.named());  // 8 % over a window
  }
}

TEST_CASE("short steps are put together until they are long enough to compare",
          "[unit][telemetry]") {
  SlowRankWatch watch(kOneStage);
  std::vector<double> times(8, 0.01);
  times[3] = 0.0201;
  // Windows of a little over 2 s in rank 3: 100 steps, in intervals of 10.
  for (int64_t interval = 1; interval <= 20; ++interval) {
    INFO("interval " << interval);
    CHECK(watch.add(times, 10) == (interval % 10 == 0));
    CHECK(watch.named().has_value() == (interval == 20));
  }
}
