// The timelines of real steps: what they hold, that they can be drawn, and that they cost no bit.
#include "train/tracing.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "pipeline/schedule.h"
#include "support/ranks.h"
#include "support/tiny_model.h"
#include "train/whole_run.h"

using namespace swallow;
using nlohmann::json;

namespace {

RunConfig run_config(const std::string& save) {
  RunConfig config = short_run(save);
  config.training.eval_interval = 4;
  return config;
}

json read(const std::string& folder, int rank) {
  std::ifstream file(fmt::format("{}/trace-{}.json", folder, rank));
  REQUIRE(file);
  return json::parse(file);
}

/// The spans of a file: those with a duration.
std::vector<json> spans_of(const json& trace) {
  std::vector<json> spans;
  for (const json& event : trace.at("traceEvents"))
    if (event.at("ph") == "X") spans.push_back(event);
  return spans;
}

/// Of any two spans of a thread one holds the other or they are apart. Times are written to the
/// nanosecond, in microseconds: a picosecond is rounding.
void require_nesting(const std::vector<json>& spans) {
  constexpr double kRounding = 1e-6;
  std::map<int, std::vector<std::pair<double, double>>> threads;
  for (const json& span : spans) {
    const double begin = span.at("ts");
    const double duration = span.at("dur");
    REQUIRE(duration >= 0);
    threads[span.at("tid")].emplace_back(begin, begin + duration);
  }
  for (auto& [thread, times] : threads) {
    std::sort(times.begin(), times.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first < b.first : a.second > b.second;
    });
    std::vector<double> open;  // ends of the spans around
    for (const auto& [begin, end] : times) {
      while (!open.empty() && open.back() <= begin + kRounding) open.pop_back();
      if (!open.empty()) REQUIRE(end <= open.back() + kRounding);
      open.push_back(end);
    }
  }
}

int64_t count(const std::vector<json>& spans, const std::string& name, int64_t step,
              int64_t microbatch = -1) {
  return std::count_if(spans.begin(), spans.end(), [&](const json& span) {
    const json& args = span.at("args");
    return span.at("name") == name && args.at("step") == step &&
           (microbatch < 0 || args.value("microbatch", int64_t{-1}) == microbatch);
  });
}

/// One step's spans are those of the rank's schedule.
void require_schedule(const std::vector<json>& spans, int64_t step, const Schedule& schedule) {
  for (int64_t microbatch = 0; microbatch < schedule.num_microbatches; ++microbatch)
    for (const char* name : {"load", "forward", "backward"}) {
      INFO("step " << step << ", micro-batch " << microbatch << ": " << name);
      REQUIRE(count(spans, name, step, microbatch) == 1);
    }
  const int64_t exchanges =
      std::count_if(schedule.steps.begin(), schedule.steps.end(),
                    [](const Step& s) { return s.kind == Step::Kind::exchange; });
  REQUIRE(count(spans, "exchange", step) == exchanges);
  for (const char* name :
       {"training step", "gradient norm", "optimizer step", "loss", "reduce gradients"})
    REQUIRE(count(spans, name, step) == 1);
}

}  // namespace

TEST_CASE("a traced step shows every action of the schedule, and changes no bit", "[ranks]") {
  const GridShape grid{2, 1, 2};
  const test::ScratchFolder scratch;
  const std::string folder = scratch / "traces";
  RunConfig config = run_config(scratch / "traced");
  config.log.trace_dir = folder;
  REQUIRE(test::whole_run(config, grid).code == ExitCode::ok);
  config.log.trace_dir.clear();
  config.checkpoint.save = scratch / "plain";
  REQUIRE(test::whole_run(config, grid).code == ExitCode::ok);
  REQUIRE(test::tensor_bytes(scratch / "traced", 6) == test::tensor_bytes(scratch / "plain", 6));

  config.parallel.pipeline_model_parallel_size = grid.pp;
  const RunShape run = resolve(config, grid.world_size());
  const ProcessGrid ranks(grid);
  for (int rank = 0; rank < grid.world_size(); ++rank) {
    INFO("rank " << rank);
    const json trace = read(folder, rank);
    const auto spans = spans_of(trace);
    require_nesting(spans);
    const Schedule schedule =
        one_forward_one_backward(ranks.coordinate(rank).pp, grid.pp, run.num_microbatches);
    std::set<int64_t> steps;
    for (const json& span : spans) {
      REQUIRE(span.at("pid") == rank);
      steps.insert(span.at("args").at("step").get<int64_t>());
    }
    REQUIRE(steps == std::set<int64_t>{3, 4, 5});  // after the first ones
    for (const int64_t step : steps) require_schedule(spans, step, schedule);
    // Of each bucket a reduction and a gathering; the sharded optimizer has two ranks here.
    REQUIRE(count(spans, "reduce-scatter", 3) > 0);
    REQUIRE(count(spans, "reduce-scatter", 3) == count(spans, "all-gather", 3));
    REQUIRE(trace.at("otherData").at("lost_spans") == 0);
  }
}

TEST_CASE("a trace names the rank's process and its threads", "[ranks]") {
  const TraceHead head{.rank = 3, .at = {.dp = 1, .tp = 0, .pp = 1}, .host = "b\"07"};
  const std::vector<Timeline::Entry> entries = {{.name = "forward",
                                                 .track = Track::compute,
                                                 .step = 7,
                                                 .microbatch = 2,
                                                 .begin_ns = 1'500,
                                                 .end_ns = 4'000}};
  const json trace = json::parse(trace_json(head, entries));
  std::map<std::string, std::vector<json>> about;
  for (const json& event : trace.at("traceEvents"))
    if (event.at("ph") == "M") about[event.at("name")].push_back(event);
  REQUIRE(about["process_name"].size() == 1);
  CHECK(about["process_name"][0].at("args").at("name") == "rank 3 on b\"07");
  CHECK(about["process_labels"][0].at("args").at("labels") == "stage 1, dp 1, tp 0");
  REQUIRE(about["thread_name"].size() == kNumTracks);
  std::map<int, std::string> threads;
  for (const json& event : about["thread_name"])
    threads[event.at("tid")] = event.at("args").at("name");
  CHECK(threads == std::map<int, std::string>{{0, "compute"}, {1, "pp"}, {2, "dp"}, {3, "host"}});
  const auto spans = spans_of(trace);
  REQUIRE(spans.size() == 1);
  CHECK(spans[0].at("ts") == 1.5);
  CHECK(spans[0].at("dur") == 2.5);
  CHECK(spans[0].at("tid") == 0);
  CHECK(spans[0].at("args") == json{{"step", 7}, {"microbatch", 2}});
}

TEST_CASE("the steps to trace may be given, and a run that ends in them writes what it has",
          "[ranks]") {
  const test::ScratchFolder scratch;
  RunConfig config = run_config(scratch / "run");
  config.log.trace_dir = scratch / "traces";
  config.log.profile_step_start = 5;
  config.log.profile_step_end = 100;
  test::whole_run(config, {1, 1, 1});
  std::set<int64_t> steps;
  for (const json& span : spans_of(read(config.log.trace_dir, 0)))
    steps.insert(span.at("args").at("step").get<int64_t>());
  CHECK(steps == std::set<int64_t>{5, 6});
}

TEST_CASE("a folder that cannot be written is told of and stops nothing", "[ranks]") {
  const test::ScratchFolder scratch;
  RunConfig config = run_config(scratch / "run");
  config.log.trace_dir = "/proc/no-such-folder";
  const test::WholeRun run = test::whole_run(config, {1, 1, 1});
  CHECK(run.code == ExitCode::ok);
  CHECK_THAT(run.log, Catch::Contains("--trace-dir: /proc/no-such-folder/trace-0.json"));
}

TEST_CASE("a timeline that is full counts what it cannot keep", "[unit]") {
  Stream stream{Device{}};
  Timeline timeline{Device{}};
  const auto span = [&] { const Timeline::Span one(timeline, Track::compute, "forward", stream); };
  timeline.begin_step(stream, 1);
  span();  // nothing is recorded without room
  timeline.reserve(2);
  span();  // nor outside a step that began with it
  timeline.begin_step(stream, 2);
  for (int i = 0; i < 5; ++i) span();
  timeline.end_step();
  span();
  CHECK(timeline.lost() == 3);
  const auto entries = timeline.take([](const Event&) {});
  REQUIRE(entries.size() == 2);
  for (const Timeline::Entry& entry : entries) {
    CHECK(entry.step == 2);
    CHECK(entry.begin_ns <= entry.end_ns);
  }
}

TEST_CASE("all ranks measure their clocks against rank 0's", "[ranks]") {
  std::vector<ClockOffset> offsets(4);
  run_ranks({4, 1, 1}, [&](World& world) {
    offsets[static_cast<size_t>(world.rank)] = measure_clock_offset(*world.control);
  });
  CHECK(offsets[0].ns == 0);
  for (const ClockOffset& offset : offsets) CHECK(offset.origin == offsets[0].origin);
}
