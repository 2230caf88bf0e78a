#include "commands/progress_report.h"

#include <catch2/catch.hpp>
#include <sstream>

using swallow::PreprocessProgress;
using swallow::ProgressReport;

namespace {

constexpr PreprocessProgress kHalf = {
    .bytes_done = 500, .bytes_total = 1000, .documents = 12, .tokens = 3'000'000};

}  // namespace

TEST_CASE("a batch log gets a plain line every 30 seconds at most", "[unit][commands]") {
  std::ostringstream out;
  double now = 100;
  {
    ProgressReport report(out, ProgressReport::Style::lines, [&now] { return now; });
    for (now = 100; now <= 190; now += 1) report.show(kHalf);
    REQUIRE(report.seconds() == Approx(91));
  }
  REQUIRE(out.str() ==
          " 50 %  12 documents  3.00M tokens  100.0K tokens/s  ETA 0:30\n"
          " 50 %  12 documents  3.00M tokens  50.0K tokens/s  ETA 1:00\n"
          " 50 %  12 documents  3.00M tokens  33.3K tokens/s  ETA 1:30\n");
}

TEST_CASE("a short command writes nothing to a batch log", "[unit][commands]") {
  std::ostringstream out;
  double now = 0;
  {
    ProgressReport report(out, ProgressReport::Style::lines, [&now] { return now; });
    for (now = 0; now < 30; now += 0.5) report.show(kHalf);
  }
  REQUIRE(out.str().empty());
}

TEST_CASE("a terminal has one line, which is rewritten and goes at the end", "[unit][commands]") {
  std::ostringstream out;
  double now = 0;
  size_t width = 0;
  {
    ProgressReport report(out, ProgressReport::Style::terminal, [&now] { return now; });
    report.show(kHalf);
    REQUIRE(out.str().empty());  // too early
    now = 1;
    report.show(kHalf);
    now = 1.05;
    report.show(kHalf);  // too soon after the last
    const std::string first = out.str();
    REQUIRE(first.front() == '\r');
    REQUIRE(first.find("50 %") != std::string::npos);
    REQUIRE(first.rfind('\r') == 0);
    width = first.size() - 1;
    now = 2;
    report.show({.bytes_done = 1000, .bytes_total = 1000});
    REQUIRE(out.str().size() >= 2 * (1 + width));  // covers the first one's end
  }
  std::string blank(width + 2, ' ');
  blank.front() = blank.back() = '\r';
  REQUIRE(out.str().ends_with(blank));
  REQUIRE(out.str().find('\n') == std::string::npos);
  REQUIRE(out.str().find('\033') == std::string::npos);
}

TEST_CASE("progress at nothing done and nothing to do is said without a guess",
          "[unit][commands]") {
  std::ostringstream out;
  double now = 0;
  ProgressReport report(out, ProgressReport::Style::lines, [&now] { return now; });
  now = 40;
  report.show({});
  REQUIRE(out.str() == "  0 %  0 documents  0 tokens  0 tokens/s  ETA -\n");
}
