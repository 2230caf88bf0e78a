#include "train/end_watch.h"

#include <array>
#include <catch2/catch.hpp>
#include <fstream>

#include "base/check.h"
#include "support/scratch_folder.h"

using namespace swallow;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

/// A clock that the test turns.
struct FakeTime {
  EndWatch::SystemClock::time_point now = EndWatch::SystemClock::from_time_t(1'000'000);

  [[nodiscard]] EndWatch::Options options() {
    return {.start = now, .now = [this] { return now; }};
  }
};

}  // namespace

TEST_CASE("without a limit the time is never up") {
  FakeTime time;
  EndWatch watch(time.options());
  watch.note_step(1h);
  watch.note_save(1h);
  time.now += 24h * 365;
  CHECK(!watch.time_is_up());
  CHECK(!watch.killed());
  CHECK(watch.save_fits());
}

TEST_CASE("the time is up when a step and two saves would pass a limit") {
  FakeTime time;
  auto options = time.options();
  const auto limit = GENERATE(0, 1, 2);
  if (limit == 0) options.duration = 100s;
  if (limit == 1) options.exit_at = time.now + 100s;
  if (limit == 2) options.job_end = time.now + 100s;
  EndWatch watch(options);
  watch.note_step(5s);
  watch.note_save(10s);
  time.now += 74s;  // 26 s are left, 25 needed
  CHECK(!watch.time_is_up());
  time.now += 1s;
  REQUIRE(watch.time_is_up());
  const auto* const names = std::array{"--exit-duration-in-mins", "--exit-at",
                                       "the job ends"}[static_cast<size_t>(limit)];
  CHECK_THAT(*watch.time_is_up(), Contains(names));
}

TEST_CASE("a long step is forgotten slowly, the longest save never") {
  FakeTime time;
  auto options = time.options();
  options.duration = 100s;
  EndWatch watch(options);
  watch.note_step(99s);
  time.now += 2s;
  CHECK(watch.time_is_up());
  for (int i = 0; i < 200; ++i) watch.note_step(1s);
  CHECK(!watch.time_is_up());
  watch.note_save(50s);
  for (int i = 0; i < 200; ++i) watch.note_save(1s);
  CHECK(watch.time_is_up());
}

TEST_CASE("a save fits where the scheduler leaves the time for it") {
  FakeTime time;
  auto options = time.options();
  options.job_end = time.now + 100s;
  EndWatch watch(options);
  CHECK(watch.save_fits());
  watch.note_save(60s);
  time.now += 39s;
  CHECK(watch.save_fits());
  time.now += 2s;
  CHECK(!watch.save_fits());
}

TEST_CASE("the kill switch is seen within a second and stays pulled") {
  const test::ScratchFolder folder;
  FakeTime time;
  auto options = time.options();
  options.kill_switch = folder / "stop";
  EndWatch watch(options);
  CHECK(!watch.killed());
  std::ofstream(folder / "stop") << "";
  CHECK(!watch.killed());  // it has just looked
  time.now += 1s;
  CHECK(watch.killed());
  std::filesystem::remove(folder / "stop");
  time.now += 1s;
  CHECK(watch.killed());
}

TEST_CASE("a limit that is past and a switch that is pulled are refused at once") {
  const test::ScratchFolder folder;
  FakeTime time;
  auto options = time.options();
  options.exit_at = time.now - 1s;
  CHECK_THROWS_WITH(EndWatch(options), Contains("--exit-at") && Contains("past"));
  options.exit_at.reset();
  options.kill_switch = folder / "stop";
  std::ofstream(folder / "stop") << "";
  CHECK_THROWS_WITH(EndWatch(options), Contains("--kill-switch") && Contains("remove"));
}

TEST_CASE("the limits of a run are those of its flags and its scheduler") {
  TrainingConfig config;
  config.exit_duration_in_mins = 1.5;
  config.exit_at = "@2000000000";
  config.kill_switch = "stop";
  const auto start = EndWatch::SystemClock::from_time_t(7);
  const auto job_end = EndWatch::SystemClock::from_time_t(9);
  const EndWatch::Options options = end_options(config, job_end, start);
  CHECK(options.duration == 90s);
  CHECK(options.exit_at == EndWatch::SystemClock::from_time_t(2'000'000'000));
  CHECK(options.job_end == job_end);
  CHECK(options.start == start);
  CHECK(options.kill_switch == "stop");
  CHECK(!end_options({}, {}, start).exit_at);
}
