#include "train/watchdog.h"

#include <atomic>
#include <catch2/catch.hpp>

#include "base/check.h"
#include "comm/recorded_communicator.h"
#include "support/ranks.h"

using namespace swallow;
using namespace std::chrono_literals;

namespace {

/// Waits until the watchdog has called expire; the reason.
class Expiry {
 public:
  Watchdog::Options options(PhaseLimits limits) {
    return {.limits = limits,
            .grace = 50ms,
            .interval = 2ms,
            .expire = [this](const std::string& reason) {
              reason_ = reason;
              expired_ = true;
            }};
  }
  std::string wait() const {
    while (!expired_) std::this_thread::sleep_for(1ms);
    return reason_;
  }
  [[nodiscard]] bool expired() const { return expired_; }

 private:
  std::atomic<bool> expired_ = false;
  std::string reason_;
};

void require(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

PhaseLimits no_limits() {
  PhaseLimits limits;
  for (const Phase phase :
       {Phase::setup, Phase::first_step, Phase::step, Phase::evaluation, Phase::save})
    limits.set(phase, 0ms);
  return limits;
}

}  // namespace

TEST_CASE("a phase beyond its limit ends the job for all ranks, with its place in it", "[ranks]") {
  const Phase phase = GENERATE(Phase::setup, Phase::first_step, Phase::evaluation, Phase::save);
  std::string seen_by_other;
  std::string reason;
  run_ranks({.dp = 2, .tp = 1, .pp = 1}, [&](World& world) {
    if (world.rank == 1) {  // waits for the other and learns why it does not come
      try {
        world.control->exchange("");
      } catch (const CommError& error) {
        seen_by_other = error.what();
      }
      return;
    }
    PhaseLimits limits = no_limits();
    limits.set(phase, 20ms);
    Expiry expiry;
    Watchdog watchdog(world, expiry.options(limits));
    watchdog.enter(phase, 7);
    reason = expiry.wait();
  });
  CHECK_THAT(reason, Catch::Contains("rank 0 hangs in") &&
                         Catch::Contains(std::string(name_of(phase)) + "="));
  if (phase != Phase::setup) CHECK_THAT(reason, Catch::Contains("step 7"));
  CHECK_THAT(seen_by_other, Catch::Contains("rank 0 hangs in"));
}

TEST_CASE("a rank that waits for one that hangs lets that one give the reason", "[ranks]") {
  std::string hanging;
  std::string waiting;
  std::atomic<bool> over = false;
  run_ranks({.dp = 2, .tp = 1, .pp = 1}, [&](World& world) {
    world.calls = std::make_unique<CallRing>();
    world.dp = std::make_unique<RecordedCommunicator>(std::move(world.dp), Axis::dp, *world.calls);
    PhaseLimits limits = no_limits();
    limits.set(Phase::evaluation, world.rank == 0 ? 20ms : 400ms);  // the waiting one is far ahead
    Expiry expiry;
    auto options = expiry.options(limits);
    options.interval = 100ms;  // times its patience, it is behind
    Watchdog watchdog(world, options);
    watchdog.enter(Phase::evaluation, 4);
    if (world.rank == 1) {
      hanging = expiry.wait();
      over = true;
      return;
    }
    try {
      world.dp->barrier();
    } catch (const CommError& error) {
      waiting = error.what();
    }
  });
  CHECK_THAT(hanging, Catch::Contains("rank 1 hangs in"));
  CHECK_THAT(waiting, Catch::Contains("rank 1 hangs in"));
}

TEST_CASE("a step may take ten times the longest before it", "[ranks]") {
  run_ranks({.dp = 1, .tp = 1, .pp = 1}, [&](World& world) {
    PhaseLimits limits = no_limits();
    limits.set(Phase::step, 1ms);
    Expiry expiry;
    Watchdog watchdog(world, expiry.options(limits));
    watchdog.enter(Phase::first_step, 1);
    std::this_thread::sleep_for(200ms);
    for (int step = 2; step < 5; ++step) {
      watchdog.enter(Phase::step, step);
      std::this_thread::sleep_for(50ms);
      require(!expiry.expired(), "ended after 50 ms with 2 s to go");
    }
    require(expiry.wait().find("step 4") != std::string::npos, "another step");
  });
}

TEST_CASE("a rank that does not notice the end of its job is ended", "[ranks]") {
  std::string reason;
  run_ranks({.dp = 2, .tp = 1, .pp = 1}, [&](World& world) {
    if (world.rank == 1) {
      world.control->abort("rank 1 has had enough");
      return;
    }
    Expiry expiry;
    Watchdog watchdog(world, expiry.options(no_limits()));
    reason = expiry.wait();
  });
  CHECK_THAT(reason, Catch::Contains("has not ended") && Catch::Contains("had enough"));
}

TEST_CASE("a hanging rank says which collective was its last", "[ranks]") {
  std::string reason;
  run_ranks({.dp = 1, .tp = 1, .pp = 1}, [&](World& world) {
    world.calls = std::make_unique<CallRing>();
    world.dp = std::make_unique<RecordedCommunicator>(std::move(world.dp), Axis::dp, *world.calls);
    world.dp->barrier();
    PhaseLimits limits = no_limits();
    limits.set(Phase::save, 20ms);
    Expiry expiry;
    Watchdog watchdog(world, expiry.options(limits));
    watchdog.enter(Phase::save, 3);
    reason = expiry.wait();
  });
  CHECK_THAT(reason, Catch::Contains("after call 1: barrier of the dp group"));
}
