#include "comm/call_ring.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "base/check.h"

using namespace swallow;
using Catch::Contains;

namespace {

Call sum_of(int64_t count) {
  return {.kind = CallKind::all_reduce, .dtype = DType::f32, .count = count};
}

int64_t lines(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n');
}

}  // namespace

TEST_CASE("a ring tells waiting from computing") {
  CallRing ring;
  CHECK_THAT(ring.doing().text, Contains("before its first call"));
  CHECK(ring.text().empty());
  ring.begin(Axis::tp, sum_of(12));
  CHECK(ring.doing().busy_seconds < 0);
  CHECK_THAT(ring.doing().text, Contains("in call 1: all_reduce(sum, 12 x f32) of the tp group"));
  CHECK_THAT(ring.text(), Contains("has not returned"));
  ring.end();
  CHECK(ring.doing().busy_seconds >= 0);
  CHECK_THAT(ring.doing().text, Contains("after call 1"));
  CHECK_THAT(ring.text(), Contains("took"));
}

TEST_CASE("a ring keeps the last calls as they were made, the oldest first") {
  CallRing ring;
  constexpr auto kCapacity = static_cast<int64_t>(CallRing::kCapacity);
  for (int64_t i = 1; i <= kCapacity + 6; ++i) {
    ring.begin(Axis::pp,
               {.kind = CallKind::broadcast, .dtype = DType::bf16, .root = 3, .count = i});
    ring.end();
  }
  const std::string text = ring.text();
  CHECK(lines(text) == kCapacity);
  CHECK_THAT(text, !Contains("call 6:") && Contains("call 7: broadcast(7 x bf16, root 3)"));
  CHECK(text.find("call 7:") < text.find(fmt::format("call {}:", kCapacity + 6)));
}

TEST_CASE("a ring sums the time in calls, not the time between them") {
  using Clock = std::chrono::steady_clock;
  const auto sleep = [] { std::this_thread::sleep_for(std::chrono::milliseconds(20)); };
  CallRing ring;
  CHECK(ring.waited_seconds() == 0);
  double in_calls = 0;  // as the caller sees it
  for (int i = 0; i < 3; ++i) {
    sleep();
    const auto begin = Clock::now();
    ring.begin(Axis::tp, sum_of(12));
    sleep();
    ring.end();
    in_calls += std::chrono::duration<double>(Clock::now() - begin).count();
  }
  CHECK(ring.waited_seconds() >= 0.06);
  CHECK(ring.waited_seconds() <= in_calls);
  const double before = ring.waited_seconds();
  ring.begin(Axis::tp, sum_of(12));
  sleep();
  CHECK(ring.waited_seconds() == before);  // a call that has not returned is not counted
}

TEST_CASE("a ring may be read while calls are made") {
  CallRing ring;
  std::jthread maker([&](const std::stop_token& stop) {
    for (int64_t i = 1; !stop.stop_requested(); ++i) {
      ring.begin(Axis::dp, sum_of(i));
      ring.end();
    }
  });
  // Every call reads as it was made: number and count are the same.
  for (int i = 0; i < 2000; ++i) {
    const std::string text = ring.doing().text;
    const size_t at = text.find("call ");
    if (at == std::string::npos) continue;
    const size_t colon = text.find(':', at);
    const std::string number = text.substr(at + 5, colon - at - 5);
    if (number == "first call") continue;
    REQUIRE_THAT(text, Contains("sum, " + number + " x"));
  }
}
