#include "telemetry/log.h"

#include <catch2/catch.hpp>
#include <vector>

#include "telemetry/step_metrics.h"

using namespace swallow;

TEST_CASE("each rank has a logger of its own, at its own level", "[unit][telemetry]") {
  const spdlog::logger loud = make_log({.rank = 0, .world_size = 2});
  const spdlog::logger quiet = make_log({.rank = 1, .world_size = 2, .level = spdlog::level::warn});
  CHECK(loud.should_log(spdlog::level::info));
  CHECK_FALSE(quiet.should_log(spdlog::level::info));
  CHECK(quiet.should_log(spdlog::level::warn));
  CHECK(loud.sinks().at(0) != quiet.sinks().at(0));
}

TEST_CASE("peak memory is at least what the process has touched", "[unit][telemetry]") {
  const std::vector<char> touched(32 << 20, 1);
  CHECK(peak_memory_bytes() >= static_cast<int64_t>(touched.size()));
}
