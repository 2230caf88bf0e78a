#include "report/run_record.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "base/check.h"
#include "data/fixtures.h"
#include "report/flat_object.h"
#include "report/goodput.h"
#include "report/lines.h"
#include "report/series.h"
#include "report/summary.h"
#include "report/trace.h"

using namespace swallow;
using test::message_of;
using test::RunFolder;

TEST_CASE("a run is read with its jobs, and steps done again are told from the rest",
          "[unit][report]") {
  RunFolder folder;
  folder.run(0);
  for (int step = 1; step <= 4; ++step) folder.step(step, step, 1);
  folder.validation(6, 4, 3.5, 1);
  folder.run(20);  // from a checkpoint of step 2
  for (int step = 3; step <= 5; ++step) folder.step(20 + step, step, 1);
  const RunRecord run = read_run(folder.path());
  REQUIRE(run.jobs.size() == 2);
  REQUIRE(run.steps.size() == 7);
  for (const StepRecord& step : run.steps) REQUIRE(step.redone == (step.job == 0 && step.step > 2));
  REQUIRE(run.validations[0].consumed_tokens == 4 * 1024);
  REQUIRE(restarts(run) == std::vector<double>{2 * 1024});
  REQUIRE(over_tokens(run, &StepRecord::loss).x.size() == 5);
  REQUIRE(redone_over_tokens(run, &StepRecord::loss).size() == 1);
  REQUIRE(last_step(run)->step == 5);
  REQUIRE(run.setting("tensor_model_parallel_size", 0) == 2);
  REQUIRE(std::isnan(run.steps[0].loss_z));
  REQUIRE(std::isnan(run.steps[0].mfu));
  REQUIRE(run.steps[0].tflops[0] == 0.25);
  REQUIRE(run.damage.damaged == 0);
}

TEST_CASE("damaged lines are counted, named and passed over", "[unit][report]") {
  RunFolder folder;
  folder.run(0);
  folder.step(1, 1, 1);
  const std::string bad[] = {"garbage",
                             R"({"kind":"step","step":2)",
                             R"({"schema":1,"kind":"step","step":-1,"seconds":1})",
                             R"({"schema":1,"kind":"step","step":2,"seconds":"long"})",
                             R"({"schema":1,"kind":"step","step":2.5,"seconds":1})",
                             R"({"schema":1,"kind":"step","step":2,"seconds":1e999})",
                             R"({"schema":1,"kind":"validation","step":2})",
                             R"({"schema":1,"kind":"data","sources":[3]})",
                             R"({"schema":1,"kind":"memory","stages":[{"stage":0}]})",
                             R"({"schema":1,"kind":"ranks","step":2,"compute_seconds":["x"]})",
                             R"({"schema":1,"kind":"ranks","step":2,"compute_seconds":[-1]})",
                             R"({"schema":1,"kind":"ranks","compute_seconds":[1]})",
                             R"({"schema":1,"kind":"ranks","step":2,"compute_seconds":[1,1],)"
                             R"("waiting_seconds":[1,1],"data_seconds":[1]})",
                             R"({"schema":1,"kind":"ranks","step":2,"compute_seconds":[1],)"
                             R"("data_seconds":[1]})",
                             "[1,2]",
                             "{}",
                             std::string("\0\0\0", 3),
                             "\xff\xfe",
                             std::string(100, '[')};
  for (const std::string& line : bad) folder.line(line);
  folder.line("");
  folder.line(R"({"schema":1,"kind":"weather"})");
  folder.line(R"({"schema":2,"kind":"save","step":3})");
  folder.step(2, 2, 1, "null");
  folder.line(R"({"schema":1,"kind":"step","st)");
  const RunRecord run = read_run(folder.path());
  REQUIRE(run.steps.size() == 2);
  REQUIRE(std::isnan(run.steps[1].loss));
  REQUIRE(run.damage.damaged == static_cast<int64_t>(std::size(bad)) + 1);
  REQUIRE(run.damage.unknown == 2);
  REQUIRE(run.damage.first.front() == "line 3: garbage");
  REQUIRE(run.damage.first.size() == 3);
  const std::string summary = terminal_summary(run);
  REQUIRE(summary.find("20 of 25 lines could not be read") != std::string::npos);
}

TEST_CASE("numbers that no run has are not taken for measurements", "[unit][report]") {
  RunFolder folder;
  folder.run(0);
  folder.step(1, 1, 1, "1e101", R"(,"mfu":1e-101)");
  folder.step(2, 2, 1, "-1e308", R"(,"x":[],"mfu":5e-324)");  // by way of the whole parser
  folder.validation(3, 2, 1e308, 1);
  folder.line(
      R"({"schema":1,"kind":"data","sources":[{"tokens":1000000000000001,"documents":999}]})");
  folder.line(R"({"schema":1,"kind":"run","world_size":2147483649,"parameters":-9e18,)"
              R"("config":{"seq_length":9223372036854775807,"micro_batch_size":2147483648}})");
  const RunRecord run = read_run(folder.path());
  REQUIRE(run.damage.damaged == 0);
  for (const StepRecord& step : run.steps) {
    REQUIRE(std::isnan(step.loss));
    REQUIRE(step.mfu == 0);
  }
  REQUIRE(std::isnan(run.validations[0].loss));
  REQUIRE(run.sources[0].tokens == 0);
  REQUIRE(run.sources[0].documents == 999);
  REQUIRE(run.jobs[1].world_size == 0);
  REQUIRE(run.setting("seq_length", 7) == 7);
  REQUIRE(run.setting("micro_batch_size", 7) == 2147483648);
}

TEST_CASE("what is no run is refused by name", "[unit][report]") {
  RunFolder folder;
  REQUIRE(message_of<ConfigError>([&] { read_run(folder.path()); }).find("metrics.jsonl") !=
          std::string::npos);
  REQUIRE(message_of<ConfigError>([&] { read_run(folder / "nothing"); }).find("nothing") !=
          std::string::npos);
  folder.line("PK\x03\x04 something else");
  folder.line(R"({"kind":"bench"})");
  const std::string message = message_of<DataError>([&] { read_run(folder / "metrics.jsonl"); });
  REQUIRE(message.find("none of its 2 lines") != std::string::npos);
}

TEST_CASE("lines before any run line make a job of their own", "[unit][report]") {
  RunFolder folder;
  folder.step(1, 1, 1);
  const RunRecord run = read_run(folder / "metrics.jsonl");
  REQUIRE(run.jobs.size() == 1);
  REQUIRE(run.config().empty());
}

TEST_CASE("steps are read the same by the quick reader and by a whole parser", "[unit][report]") {
  RunFolder folder;
  folder.step(5, 7, 0.125, "-2.5e-3", R"(,"skipped":true,"loss_hex":"0x1p+1","mfu":0.5)");
  std::string line = test::read_file(folder / "metrics.jsonl");
  line.pop_back();
  REQUIRE(parse_step(line));
  std::mt19937 random(11);
  const std::string alphabet = "\"{}[]:,0123456789.eE+-tfn\\ \x80\xff";
  int sound = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string mutated = line;
    for (unsigned j = 0; j <= random() % 2; ++j)
      mutated[random() % mutated.size()] = alphabet[random() % alphabet.size()];
    CAPTURE(mutated);
    const bool flat = read_flat_object(mutated, [](std::string_view, const FlatValue&) {});
    const auto whole = nlohmann::json::parse(mutated, nullptr, false);
    if (flat) REQUIRE(whole.is_object());
    if (!flat) continue;
    ++sound;
    // A blank more inside a nested value makes the quick reader give way to the parser.
    const std::string slow = mutated.substr(0, mutated.rfind('}')) + R"(,"x":[]})";
    const auto a = parse_step(mutated);
    const auto b = parse_step(slow);
    REQUIRE(a.has_value() == b.has_value());
    if (!a || whole.size() != 16) continue;  // a key twice may be read either way
    REQUIRE(a->step == b->step);
    REQUIRE(a->skipped == b->skipped);
    REQUIRE(a->seconds == b->seconds);
    REQUIRE((a->loss == b->loss || (std::isnan(a->loss) && std::isnan(b->loss))));
  }
  REQUIRE(sound > 1000);
}

TEST_CASE("goodput is as counted by hand", "[unit][report]") {
  RunFolder folder;
  folder.run(0);
  folder.step(5, 1, 2);            // start-up 0 to 3, then 2 s
  folder.step(7, 2, 2);            // 7
  folder.save(8, 2, 1);            // 8
  folder.step(10, 3, 2);           // done again
  folder.validation(13, 3, 2, 3);  // done again
  folder.run(20);                  // 7 s after the last line
  folder.step(26, 3, 2);           // start-up 20 to 24
  folder.validation(29, 3, 2, 3);
  folder.step(31, 4, 2, "9.5", R"(,"skipped":true)");
  folder.step(35, 5, 2);  // 2 s of something else
  const Goodput goodput = account(read_run(folder.path()));
  REQUIRE(goodput.useful == Approx(8));
  REQUIRE(goodput.lost == Approx(5));
  REQUIRE(goodput.withheld == Approx(2));
  REQUIRE(goodput.evaluation == Approx(3));
  REQUIRE(goodput.save == Approx(1));
  REQUIRE(goodput.start_up == Approx(7));
  REQUIRE(goodput.downtime == Approx(7));
  REQUIRE(goodput.other == Approx(2));
  REQUIRE(goodput.wall() == Approx(35));
  REQUIRE(goodput.share() == Approx(8.0 / 35));
}

TEST_CASE("slow steps are found, longest first", "[unit][report]") {
  RunFolder folder;
  folder.run(0);
  for (int step = 1; step <= 9; ++step) folder.step(step, step, step == 3 ? 4 : step == 6 ? 9 : 1);
  const RunRecord run = read_run(folder.path());
  const auto slow = slow_steps(run, 5);
  REQUIRE(slow.size() == 2);
  REQUIRE(slow[0]->step == 6);
  REQUIRE(slow_steps(run, 1).size() == 1);
}

TEST_CASE("attempts are read, with those that told no end", "[unit][report]") {
  RunFolder folder;
  folder.attempts(
      "{\"attempt\":1,\"from_iteration\":0,\"run_id\":\"a\",\"host\":\"h\","
      "\"time\":\"2026-03-02T12:00:00Z\"}\n"
      "torn{\n"
      "{\"attempt\":2,\"from_iteration\":20,\"run_id\":\"b\",\"host\":\"h\","
      "\"time\":\"2026-03-02T12:10:00Z\"}\n"
      "{\"attempt\":2,\"exit\":75,\"iteration\":44,\"time\":\"2026-03-02T12:20:00Z\"}\n");
  const AttemptRecords records = read_attempts(folder / "attempts.jsonl");
  REQUIRE(records.attempts.size() == 2);
  REQUIRE(records.attempts[0].exit == -1);
  REQUIRE(std::isnan(records.attempts[0].end));
  REQUIRE(records.attempts[1].exit == 75);
  REQUIRE(records.attempts[1].last_iteration == 44);
  REQUIRE(records.attempts[1].end - records.attempts[1].begin == 600);
  REQUIRE(records.damage.damaged == 1);
  REQUIRE(describe_exit(75) == "stopped with its state saved");
  REQUIRE_FALSE(read_attempts(folder / "none.jsonl").found);
}

TEST_CASE("a moment is read only from a whole time", "[unit][report]") {
  REQUIRE(parse_moment("1970-01-02T00:00:01") == 86401);
  REQUIRE(parse_moment("2026-03-02T12:00:00Z") == 1772452800);
  for (const char* bad : {"", "2026-03-02", "2026-13-02T12:00:00", "2026-03-02 12:00:00",
                          "2026-03-02T12:00:0x", "2026-03-02T25:00:00"})
    REQUIRE(std::isnan(parse_moment(bad)));
}

TEST_CASE(
    "a trace gives the step in the middle, a row a stage; a torn file counts as far as it goes",
    "[unit][report]") {
  RunFolder folder;
  const auto event = [](const char* name, int step, double ts, double dur) {
    return fmt::format(
        R"({{"name":"{}","ph":"X","pid":0,"tid":1,"ts":{},"dur":{},"args":{{"step":{},"microbatch":0}}}})",
        name, ts, dur, step);
  };
  const auto trace = [&](int rank, int stage, const std::string& events) {
    folder.file(fmt::format("trace/trace-{}.json", rank),
                fmt::format(R"([{{"name":"process_labels","ph":"M","pid":{},"args":)"
                            R"({{"labels":"stage {}, dp 0, tp 0"}}}},{})",
                            rank, stage, events));
  };
  std::string steps[2];
  for (int stage = 0; stage < 2; ++stage)
    for (int step = 1; step <= 3; ++step) {
      const double begin = 1e6 * step + 1000 * stage;
      steps[stage] += event("forward", step, begin, 1000) + "," +
                      event("backward", step, begin + 1000 * step + 1000, 2000) +
                      (step < 3 ? "," : "");
    }
  trace(0, 0, steps[0] + "]");
  const std::string array = test::read_file(folder / "trace/trace-0.json");
  folder.file("trace/trace-0.json", "{\"otherData\":{},\"traceEvents\":" + array + "}");
  trace(1, 0, steps[0] + "]");
  trace(2, 1, steps[1]);  // not closed
  folder.file("trace/trace-x.json", "no rank");
  const TraceRecord record = read_trace(folder / "trace");
  REQUIRE(record.step == 2);
  REQUIRE(record.bars.size() == 4);
  REQUIRE(record.bars[0].begin == Approx(2.0));
  REQUIRE(record.bars[0].end == Approx(2.001));
  REQUIRE(record.bars[3].row == 1);
  REQUIRE(record.notes.size() == 1);
  REQUIRE(record.notes[0].find("trace-2.json") != std::string::npos);
  REQUIRE(read_trace(folder / "nowhere").bars.empty());
}

TEST_CASE("a sparkline spans its values", "[unit][report]") {
  REQUIRE(sparkline(std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7}) == "▁▂▃▄▅▆▇█");
  REQUIRE(sparkline(std::vector<double>{5, 5}) == "▁▁");
  REQUIRE(sparkline(std::vector<double>{1, std::nan(""), 2}) == "▁×█");
  REQUIRE(sparkline({}).empty());
}
