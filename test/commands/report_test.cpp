#include "commands/report.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/check.h"
#include "data/fixtures.h"
#include "report/lines.h"
#include "report/xml.h"

using namespace swallow;
using test::message_of;
using test::RunFolder;
using test::xml_problem;

namespace {

std::string report(std::vector<std::string> args) {
  std::ostringstream out;
  REQUIRE(run_report_command(std::move(args), out) == 0);
  return out.str();
}

std::string refusal(std::vector<std::string> args) {
  std::ostringstream out;
  return message_of<Error>([&] { run_report_command(std::move(args), out); });
}

bool has(const std::string& text, const std::string& part) {
  CAPTURE(part);
  CHECK(text.find(part) != std::string::npos);
  return text.find(part) != std::string::npos;
}

/// Two jobs, an update withheld, and everything that a log can hold.
void write_whole_run(RunFolder& folder) {
  folder.run(0);
  folder.line(
      R"({"schema":1,"kind":"data","sources":[{"split":"train","prefix":"ja<web>&\"x\"",)"
      R"("share":0.75,"documents":1234,"tokens":5678000,"samples":120,"epochs":1.5},)"
      R"({"split":"train","prefix":"en","share":0.25,"documents":10,"tokens":20,"samples":40,)"
      R"("epochs":0.5}]})");
  folder.line(
      R"({"schema":1,"kind":"memory","stages":[{"stage":0,"bytes":{"weights":1073741824,)"
      R"("gradients":2147483648}},{"stage":1,"bytes":{"weights":1073741824,"gradients":0}}]})");
  for (int step = 1; step <= 5; ++step) folder.step(2 * step, step, 2);
  folder.validation(11, 5, 2.375, 1);
  folder.save(12, 5, 1);
  folder.step(14, 6, 2);
  folder.run(100);
  folder.step(110, 6, 2, "null", R"(,"skipped":true)");
  folder.step(112, 7, 2, "2.25", R"(,"mfu":0.4321)");
  folder.line(R"({"schema":1,"kind":"ranks","step":7,"steps":2,)"
              R"("compute_seconds":[1,1,1,1,1,1.25,1,1],)"
              R"("waiting_seconds":[1,1,1,1,1,0.5,1,1],"data_seconds":[0,0,0,0,0,0.25,0,0],)"
              R"("peak_memory_bytes":[5e9,5e9,5e9,5e9,5e9,5e9,5e9,5e9],"hosts":["n1","n2"],)"
              R"("node_of_rank":[0,0,0,0,1,1,1,1]})");
  folder.attempts(
      "{\"attempt\":1,\"from_iteration\":0,\"host\":\"n1\",\"time\":\"2026-03-02T03:00:00Z\"}\n"
      "{\"attempt\":2,\"from_iteration\":5,\"host\":\"n1\",\"time\":\"2026-03-02T03:01:40Z\"}\n"
      "{\"attempt\":2,\"iteration\":7,\"exit\":75,\"time\":\"2026-03-02T03:01:53Z\"}\n");
}

}  // namespace

TEST_CASE("a report is a well-formed page with the run's numbers", "[unit][report]") {
  RunFolder folder;
  write_whole_run(folder);
  const std::string out = report({folder.path(), "--output", folder / "page.html"});
  has(out, folder / "page.html");
  has(out, "last 7 losses");
  const std::string page = test::read_file(folder / "page.html");
  REQUIRE(xml_problem(page).empty());
  REQUIRE(page.find("<script") == std::string::npos);
  REQUIRE(page.find("src=") == std::string::npos);
  for (const char* part : {"DP 2 × TP 2 × PP 2, 8 ranks",
                           "best 2.3750 at step 5",
                           "step 7 of 10, 7.17K tokens",
                           "1 update withheld",
                           "1 step done again after a restart",
                           "43.21 %",
                           "ja&lt;web&gt;&amp;&quot;x&quot;",
                           "75.00 %",
                           "5.68M",
                           ">84<",
                           ">120<",
                           "2.00 GiB",
                           "rank 5 on n2 (1.50 times)",
                           "they cover 2 of 7 steps",
                           "computed 51.6 % of the time",
                           "stopped with its state saved (75)",
                           "no end told: killed, crashed or still running",
                           "prefers-color-scheme:dark",
                           "checkpoint of step 5",
                           "1 step with a loss that is not finite"})
    has(page, part);
}

TEST_CASE("sections without records say what would make them appear", "[unit][report]") {
  RunFolder folder;
  folder.run(0);
  folder.step(1, 1, 1);
  report({folder / "metrics.jsonl", "--output", folder / "page.html"});
  const std::string page = test::read_file(folder / "page.html");
  REQUIRE(xml_problem(page).empty());
  for (const char* part : {"a memory line", "ranks lines", "a data line", "--trace-dir",
                           "attempts.jsonl", "--peak-tflops"})
    has(page, part);
}

TEST_CASE("whatever the numbers, a page's pictures are finite and of bounded size",
          "[unit][report]") {
  for (const char* number : {"1.7976931348623157e308", "1e100", "1e99", "-1e99", "1e-99", "5e-324",
                             "0", "2.5000000000000004"}) {
    CAPTURE(number);
    RunFolder folder;
    folder.line(R"({"schema":1,"kind":"run","time":"2026-03-02T12:00:00","world_size":256,)"
                R"("config":{"tensor_model_parallel_size":1,"pipeline_model_parallel_size":256,)"
                R"("micro_batch_size":1,"global_batch_size":4096,"seq_length":64}})");
    for (int step = 1; step <= 3; ++step)
      folder.step(step, step, 1, step == 2 ? number : "2.5",
                  step == 2 ? fmt::format(R"(,"mfu":{0},"peak_memory_bytes":{0})", number) : "");
    folder.line(fmt::format(R"({{"schema":1,"kind":"ranks","step":2,"steps":999999999999999,)"
                            R"("compute_seconds":[{0},1],"waiting_seconds":[1,{0}],)"
                            R"("data_seconds":[1,1],"peak_memory_bytes":[{0},{0}]}})",
                            number));
    report({folder.path(), "--output", folder / "page.html"});
    const std::string page = test::read_file(folder / "page.html");
    REQUIRE(xml_problem(page).empty());
    REQUIRE(test::has_finite_places(page));
    REQUIRE(page.size() < size_t{1} << 20);
  }
}

TEST_CASE("a run without a single step is a page too", "[unit][report]") {
  RunFolder folder;
  folder.run(0);
  report({folder.path(), "--output", folder / "page.html"});
  const std::string page = test::read_file(folder / "page.html");
  REQUIRE(xml_problem(page).empty());
  has(page, "No step has been logged.");
}

TEST_CASE("runs are laid over each other under their names", "[unit][report]") {
  RunFolder a;
  RunFolder b;
  write_whole_run(a);
  write_whole_run(b);
  const std::string odd = b / "o<d>d&\"\xff";
  std::filesystem::create_directory(odd);
  std::filesystem::copy(b / "metrics.jsonl", odd + "/metrics.jsonl");
  report({a.path(), odd, "--output", a / "page.html"});
  const std::string page = test::read_file(a / "page.html");
  REQUIRE(xml_problem(page).empty());
  has(page, "o&lt;d&gt;d&amp;&quot;\xef\xbf\xbd");
  has(page, "2 runs");
}

TEST_CASE("the measured pipeline stands under the planned one", "[unit][report]") {
  RunFolder folder;
  folder.run(0);
  folder.step(1, 1, 1);
  for (int stage = 0; stage < 2; ++stage)
    folder.file(
        fmt::format("elsewhere/trace-{}.json", 4 * stage),
        fmt::format(R"([{{"name":"process_labels","ph":"M","args":{{"labels":"stage {}, dp 0"}}}},)"
                    R"({{"name":"forward","ph":"X","ts":{},"dur":1000,)"
                    R"("args":{{"step":3,"microbatch":0}}}},)"
                    R"({{"name":"backward","ph":"X","ts":{},"dur":2000,)"
                    R"("args":{{"step":3,"microbatch":0}}}}])",
                    stage, 1000 * stage, 4000 - 2000 * stage));
  report({folder.path(), "--trace-dir", folder / "elsewhere", "--output", folder / "page.html"});
  const std::string page = test::read_file(folder / "page.html");
  REQUIRE(xml_problem(page).empty());
  has(page, "planned: 6 ms for the step, bubble 50.0 %");
  has(page, "measured, step 3: 6 ms for the step, bubble 50.0 %");
}

TEST_CASE("benchmarks are drawn over ranks and compared with the smallest", "[unit][report]") {
  RunFolder folder;
  const auto record = [](int ranks, double tokens, const std::string& mode = "step") {
    return nlohmann::json{
        {"kind", "bench"},
        {"mode", mode},
        {"config", {{"preset", "7b"}, {"global_batch_size", 1024}, {"seq_length", 4096}}},
        {"grid", {{"ranks", ranks}, {"dp", ranks}, {"tp", 1}, {"pp", 1}}},
        {"machine", {{"device_name", "a GPU"}}},
        {"step_ms", {{"median", 12.5}, {"spread", 0.01}}},
        {"throughput",
         {{"tokens_per_second", tokens},
          {"tokens_per_second_per_rank", tokens / ranks},
          {"tflops_per_rank_causal", 40.0}}}}
        .dump();
  };
  folder.file("small<1>.json", record(4, 4000));
  folder.file("large.json", record(8, 6000));
  const std::string out = report({"--bench", folder / "large.json", folder / "small<1>.json",
                                  "--output", folder / "scaling.html"});
  has(out, "75.0 %");
  has(out, "100.0 %");
  const std::string page = test::read_file(folder / "scaling.html");
  REQUIRE(xml_problem(page).empty());
  has(page, "small&lt;1&gt;");
  has(page, "Swallow");
  folder.file("slice.json", record(4, 4000, "slice"));
  has(refusal({"--bench", folder / "slice.json"}), "mode slice");
  folder.file("zero.json", record(4, 0));
  has(refusal({"--bench", folder / "zero.json"}), "above 0");
  folder.file("other.json", "{}");
  has(refusal({"--bench", folder / "other.json"}), "kind bench");
  has(refusal({"--bench", folder / "none.json"}), "none.json");
}

TEST_CASE("report refuses arguments by name", "[unit][report]") {
  RunFolder folder;
  folder.run(0);
  has(refusal({}), "RUN");
  has(refusal({folder.path(), "--bench", "x.json"}), "--bench");
  has(refusal({folder.path(), "--output", "/nowhere/page.html"}), "--output /nowhere/page.html");
  has(refusal({folder.path(), "--trace-dir", folder / "none"}), "--trace-dir");
  has(refusal({folder.path(), "--output", folder / "metrics.jsonl"}), "made of");
  has(refusal({folder / "none"}), "does not exist");
  has(refusal({"--colour"}), "--colour");
  has(report({"--help"}), "--trace-dir");
}
