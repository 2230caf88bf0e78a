// The texts of --exit-at and --phase-timeouts.
#include <stdlib.h>
#include <time.h>

#include <catch2/catch.hpp>

#include "base/check.h"
#include "config/phase_limits.h"
#include "config/point_in_time.h"

using namespace swallow;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

int64_t seconds_of(std::string_view text) {
  return std::chrono::system_clock::to_time_t(parse_point_in_time("--exit-at ", text));
}

/// Local time is that of `name` while it lives.
class TimeZone {
 public:
  explicit TimeZone(const char* name) {
    if (const char* old = getenv("TZ")) before_ = old;
    setenv("TZ", name, 1);
    tzset();
  }
  TimeZone(const TimeZone&) = delete;
  TimeZone& operator=(const TimeZone&) = delete;
  ~TimeZone() {
    before_.empty() ? unsetenv("TZ") : setenv("TZ", before_.c_str(), 1);
    tzset();
  }

 private:
  std::string before_;
};

}  // namespace

TEST_CASE("a point in time is read in all its spellings") {
  const TimeZone tokyo("JST-9");  // date -u -d 2026-01-31T18:30 +%s
  CHECK(seconds_of("2026-01-31T18:30Z") == 1'769'884'200);
  CHECK(seconds_of("2026-01-31T18:30") == 1'769'884'200 - 9 * 3600);
  CHECK(seconds_of("2026-01-31T18:30:07") == 1'769'884'207 - 9 * 3600);
  CHECK(seconds_of("2026-01-31T18:30:07+09:00") == 1'769'884'207 - 9 * 3600);
  CHECK(seconds_of("2026-01-31T18:30-03:30") == 1'769'884'200 + 3 * 3600 + 1800);
  CHECK(seconds_of("@1769884200") == 1'769'884'200);
  CHECK(seconds_of("2028-02-29T00:00Z") == 1'835'395'200);
}

TEST_CASE("what is no point in time is refused with what would be") {
  for (const std::string_view text :
       {"", "tomorrow", "2026-01-31", "2026-01-31 18:30", "2026-02-29T18:30", "2026-13-01T18:30",
        "2026-01-31T24:00", "2026-01-31T18:30:60", "2026-01-31T18:30ZZ", "2026-01-31T18:30+9:00",
        "2026-01-31T18:30+15:00", "@", "@-1", "@1x", "+026-01-31T18:30", "2026-1-31T18:30"})
    CHECK_THROWS_WITH(seconds_of(text), Contains("--exit-at") && Contains("2026-01-31T18:30"));
}

TEST_CASE("limits of phases change one by one") {
  const PhaseLimits usual = parse_phase_limits("");
  CHECK(usual.of(Phase::step) == 30min);
  const PhaseLimits limits = parse_phase_limits("step=0.5,first-step=0");
  CHECK(limits.of(Phase::step) == 30s);
  CHECK(limits.of(Phase::first_step) == 0s);
  CHECK(limits.of(Phase::save) == usual.of(Phase::save));
}

TEST_CASE("a limit of no phase, or of no time, is refused with the phases") {
  for (const std::string_view text : {"steps=1", "step", "step=1,", ",", "=1", "step =1"})
    CHECK_THROWS_WITH(parse_phase_limits(text), Contains("--phase-timeouts"));
  CHECK_THROWS_WITH(parse_phase_limits("nap=1"), Contains("setup, first-step, step"));
  CHECK_THROWS_WITH(parse_phase_limits("step=-1"), Contains("step=-1"));
}
