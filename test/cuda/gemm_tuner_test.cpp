// The search for the fastest kernel, over made-up times.
#include "cuda/gemm_tuner.h"

#include <catch2/catch.hpp>
#include <vector>

using namespace swallow::cuda;

namespace {

/// Times that never vary; negative: the candidate does not run.
auto clock_of(std::vector<double> ms) {
  return [ms = std::move(ms)](size_t candidate, double) -> std::optional<double> {
    if (ms[candidate] < 0) return std::nullopt;
    return ms[candidate];
  };
}

}  // namespace

TEST_CASE("the fastest kernel wins", "[unit][gemm]") {
  const auto fastest = find_fastest(7, clock_of({5, 4, 9, 1.5, 2, 8, 1}));
  REQUIRE(fastest.has_value());
  CHECK(fastest->candidate == 6);
  CHECK(fastest->first_ms == 5);
  CHECK(fastest->best_ms == 1);
}

TEST_CASE("the library's favourite stays when nothing is faster by more than the noise",
          "[unit][gemm]") {
  const auto fastest = find_fastest(3, clock_of({1, 0.995, 2}));
  REQUIRE(fastest.has_value());
  CHECK(fastest->candidate == 0);
  CHECK(fastest->best_ms == 1);
}

TEST_CASE("kernels that do not run are left out of the search", "[unit][gemm]") {
  const auto fastest = find_fastest(4, clock_of({-1, 3, -1, 2}));
  REQUIRE(fastest.has_value());
  CHECK(fastest->candidate == 3);
  CHECK(fastest->first_ms == 3);
  CHECK_FALSE(find_fastest(2, clock_of({-1, -1})).has_value());
  CHECK_FALSE(find_fastest(0, clock_of({})).has_value());
  CHECK(find_fastest(1, clock_of({7}))->candidate == 0);
}

TEST_CASE("one disturbed round does not decide", "[unit][gemm]") {
  int calls = 0;
  const auto fastest = find_fastest(2, [&](size_t candidate, double) -> std::optional<double> {
    ++calls;
    const bool disturbed = candidate == 1 && calls == 5;  // its first long turn
    return disturbed ? 100.0 : (candidate == 1 ? 1.0 : 2.0);
  });
  REQUIRE(fastest.has_value());
  CHECK(fastest->candidate == 1);
  CHECK(fastest->best_ms == 1);
}

TEST_CASE("a kernel that is fast once by chance is timed again", "[unit][gemm]") {
  int calls = 0;
  const auto fastest = find_fastest(2, [&](size_t candidate, double) -> std::optional<double> {
    ++calls;
    return candidate == 0 ? 2.0 : (calls == 3 ? 0.1 : 3.0);
  });
  REQUIRE(fastest.has_value());
  CHECK(fastest->candidate == 0);
}
