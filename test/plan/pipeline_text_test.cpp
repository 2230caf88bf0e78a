#include "plan/pipeline_text.h"

#include <catch2/catch.hpp>
#include <sstream>

#include "base/check.h"

using namespace swallow;
using Catch::Contains;

namespace {

SimulationResult played(int stages, int64_t microbatches, double forward, double backward) {
  std::vector<Schedule> schedules;
  for (int stage = 0; stage < stages; ++stage)
    schedules.push_back(one_forward_one_backward(stage, stages, microbatches));
  return simulate(schedules, SimulationCosts::uniform(stages, forward, backward));
}

/// Characters, not bytes.
size_t width(const std::string& line) {
  size_t count = 0;
  for (const char c : line)
    if ((static_cast<unsigned char>(c) & 0xc0U) != 0x80U) ++count;
  return count;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("a picture of a short step shows every micro-batch by number", "[unit]") {
  // 1F1B, forwards of 1 and backwards of 2, in 30 columns for 15 units of time.
  const std::string text = pipeline_text(played(2, 4, 1, 2), 40);
  CHECK(lines_of(text).at(0) == "stage 0 |░0░1    ▓▓▓0░2▓▓▓1░3▓▓▓2  ▓▓▓3|");
  CHECK(lines_of(text).at(1) == "stage 1 |  ░0▓▓▓0░1▓▓▓1░2▓▓▓2░3▓▓▓3    |");
  CHECK_THAT(text, Contains("stages wait 20.0 % of the time"));
  CHECK_THAT(text, !Contains("~"));
}

TEST_CASE("the middle of a long step is left out, and its share told", "[unit]") {
  // 103 slots of 3 units; the ramps are 12 long on either side.
  const std::string text = pipeline_text(played(4, 100, 1, 2), 60);
  const std::vector<std::string> lines = lines_of(text);
  REQUIRE(lines.size() == 6);
  for (int stage = 0; stage < 4; ++stage)
    CHECK_THAT(lines[static_cast<size_t>(stage)], Contains(" ~ "));
  CHECK_THAT(lines[5], Contains("92 %"));
  CHECK_THAT(lines[4], Contains("stages wait 2.9 %"));
}

TEST_CASE("no line is wider than was asked, and all stages end in one column", "[unit]") {
  for (const int stages : {1, 2, 11, 64, 101})
    for (const int64_t microbatches : {1, 7, 130, 1000})
      for (const int columns : {40, 77, 100}) {
        INFO(stages << " stages, " << microbatches << " micro-batches, " << columns << " columns");
        const auto lines = lines_of(pipeline_text(played(stages, microbatches, 1, 2.3), columns));
        REQUIRE(lines.size() >= static_cast<size_t>(stages) + 1);
        for (int stage = 0; stage < stages; ++stage) {
          REQUIRE(width(lines[static_cast<size_t>(stage)]) == width(lines[0]));
          REQUIRE(lines[static_cast<size_t>(stage)].ends_with("|"));
        }
        REQUIRE(width(lines[0]) <= static_cast<size_t>(columns));
        REQUIRE(width(lines[0]) + 2 >= static_cast<size_t>(columns));
      }
}

TEST_CASE("computations too short for their numbers are shades", "[unit]") {
  const std::string text = pipeline_text(played(32, 16, 1, 2), 60);
  const std::string picture = text.substr(0, text.find("░ forward"));
  CHECK_THAT(picture, Contains("░") && Contains("▓") && Contains("▒"));
  for (const std::string& line : lines_of(picture)) {
    const std::string row = line.substr(line.find('|'));
    CHECK(row.find_first_of("0123456789") == std::string::npos);
  }
}

TEST_CASE("there is no picture of a schedule that is not sound", "[unit]") {
  SimulationResult result = played(2, 2, 1, 2);
  CHECK_THROWS_AS(pipeline_text(result, 39), ContractError);
  result.error = "stage 1: deadlock";
  CHECK_THROWS_AS(pipeline_text(result), ContractError);
  CHECK_THROWS_AS(pipeline_text(simulate({gpipe(0, 1, 1)}, {})), ContractError);
}
