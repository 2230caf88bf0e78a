#include "base/awake_clock.h"

#include <catch2/catch.hpp>
#include <thread>

using swallow::AwakeClock;
using namespace std::chrono_literals;

TEST_CASE("the clock stands still where ticks are missing for long") {
  const auto steady = std::chrono::steady_clock::now();
  const auto begin = AwakeClock::now();
  AwakeClock::start_ticking();
  std::this_thread::sleep_for(AwakeClock::kLongestTick + 500ms);
  const auto asleep = AwakeClock::now();
  const auto slept = std::chrono::steady_clock::now() - steady;
  CHECK(asleep - begin <= slept - 400ms);
  CHECK(AwakeClock::now() - asleep <= 1ms);  // it stands
  AwakeClock::tick();
  const auto awake = AwakeClock::now();
  CHECK(awake >= asleep);
  std::this_thread::sleep_for(20ms);
  CHECK(AwakeClock::now() - awake >= 20ms);  // it goes
  AwakeClock::stop_ticking();
  std::this_thread::sleep_for(20ms);
  CHECK(AwakeClock::now() - awake >= 40ms);  // and needs no ticks any more
}
