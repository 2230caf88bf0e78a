// The model against published step times: deterministic, from test/bench/plan_cases.json.
#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "bench/plan_cases.h"

using namespace swallow;

TEST_CASE("our own steps on a GPU are predicted within 1 %", "[unit][plan]") {
  int count = 0;
  for (const PublishedCase& ours :
       read_published_cases(SWALLOW_SOURCE_DIR "/test/bench/plan_cases.json")) {
    if (ours.software != "swallow-train" || ours.hardware != "h200") continue;
    const double predicted =
        predict(ours, load_hardware_profile(ours.hardware), software_profile(ours.software));
    CAPTURE(ours.label, predicted, ours.seconds);
    CHECK(std::abs(predicted / ours.seconds - 1) < 0.01);
    ++count;
  }
  CHECK(count == 3);
}

TEST_CASE("published step times that were not fitted to are predicted within 9 %", "[unit][plan]") {
  const auto cases = read_published_cases(SWALLOW_SOURCE_DIR "/test/bench/plan_cases.json");
  CHECK(cases.size() > 100);
  for (const char* software : {"megatron-2021", "megatron-2022", "nemo-2024"}) {
    double sum = 0;
    int count = 0;
    std::map<std::string, int> rows;
    for (const PublishedCase& published : cases) {
      const int row = ++rows[published.set];
      if (published.software != software || row % 2 == 1) continue;
      const double predicted =
          predict(published, load_hardware_profile(published.hardware), software_profile(software));
      CAPTURE(published.set, published.label, predicted, published.seconds);
      CHECK(std::abs(predicted / published.seconds - 1) < 0.09);
      sum += std::abs(predicted / published.seconds - 1);
      ++count;
    }
    CAPTURE(software);
    CHECK(count >= 6);
    CHECK(sum / count < 0.04);
  }
}
