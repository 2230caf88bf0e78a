#include "telemetry/metrics_log.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

using namespace swallow;

namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder()
      : path_(fs::temp_directory_path() / ("swallow-metrics-test-" + std::to_string(::getpid()))) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

MetricsLogOptions options(const std::string& path = "") {
  MetricsLogOptions o;
  o.terminal = true;
  o.jsonl_path = path;
  o.train_iters = 100;
  o.world_size = 4;
  o.model = {2, 64, 176, 4, 2, 16, 512, 32};
  return o;
}

StepMetrics step(int64_t n, double loss = 3.0) {
  return {.step = n,
          .loss = loss,
          .grad_norm = 0.1,
          .lr = 1e-4,
          .seconds = 0.5,
          .samples = 8,
          .tokens = 256,
          .consumed_samples = 8 * n,
          .consumed_tokens = 256 * n};
}

std::vector<std::string> lines(std::istream& stream) {
  std::vector<std::string> result;
  for (std::string line; std::getline(stream, line);) result.push_back(line);
  return result;
}

std::vector<nlohmann::json> records(const std::string& path) {
  std::ifstream file(path);
  std::vector<nlohmann::json> result;
  for (const std::string& line : lines(file)) result.push_back(nlohmann::json::parse(line));
  return result;
}

}  // namespace

TEST_CASE("each step is one JSON object with exact loss and all TFLOPS", "[unit][telemetry]") {
  const Folder folder;
  std::ostringstream console;
  MetricsLogOptions o = options(folder.file("new/metrics.jsonl"));
  o.peak_tflops = 1e-3;
  o.build = "swallow-train 1.2.3";
  MetricsLog log(o, console);
  log.write_run(R"({"lr": 0.1})");
  log.write(step(1, 1.0 / 3.0));
  log.write(ValidationMetrics{.step = 1, .loss = 2.5, .tokens = 64, .seconds = 0.1});
  log.write(SaveMetrics{.step = 1, .folder = "a\"\n日", .seconds = 0.2});
  log.write(TestMetrics{{.step = 1, .loss = 2.75, .tokens = 32, .seconds = 0.1}});

  const auto json = records(o.jsonl_path);
  REQUIRE(json.size() == 5);
  for (const auto& record : json) {
    CHECK(record["schema"] == MetricsLog::kSchema);
    CHECK(record["time"].get<std::string>().size() == 19);
  }
  CHECK(json[0]["kind"] == "run");
  CHECK(json[0]["config"]["lr"] == 0.1);
  CHECK(json[0]["build"] == "swallow-train 1.2.3");
  CHECK(json[0]["parameters"] == parameter_count(o.model));
  CHECK(json[1]["kind"] == "step");
  CHECK(json[1]["loss"] == 1.0 / 3.0);
  CHECK(std::strtod(json[1]["loss_hex"].get<std::string>().c_str(), nullptr) == 1.0 / 3.0);
  CHECK(std::strtod(json[1]["grad_norm_hex"].get<std::string>().c_str(), nullptr) == 0.1);
  CHECK(json[1]["tokens_per_second_per_rank"] == 128.0);  // 256 tokens / 0.5 s / 4 ranks
  const double causal = flops_per_token(FlopFormula::causal, o.model) * 128.0 / 1e12;
  CHECK(json[1]["tflops_per_rank_causal"].get<double>() == Approx(causal));
  CHECK(json[1]["mfu"].get<double>() == Approx(causal / 1e-3));
  CHECK(json[1].contains("tflops_per_rank_fork_a"));
  CHECK(json[1].contains("tflops_per_rank_fork_c"));
  CHECK(json[2]["kind"] == "validation");
  CHECK(json[3]["folder"] == "a\"\n日");
  CHECK(json[4]["kind"] == "test");
  CHECK(json[4]["loss"] == 2.75);
  CHECK(json[4]["tokens"] == 32);
}

TEST_CASE("a loss that is not finite is null in JSON and legible in hex", "[unit][telemetry]") {
  const Folder folder;
  std::ostringstream console;
  MetricsLog log(options(folder.file("m.jsonl")), console);
  StepMetrics bad = step(1, std::nan(""));
  bad.skipped = true;
  log.write(bad);
  const auto json = records(folder.file("m.jsonl"));
  CHECK(json[0]["loss"].is_null());
  CHECK(json[0]["loss_hex"] == "nan");
  CHECK(json[0]["skipped"] == true);
  CHECK_THAT(console.str(), Catch::Contains("\n!"));
}

TEST_CASE("a file left torn by a crash is continued on a new line", "[unit][telemetry]") {
  const Folder folder;
  std::ofstream(folder.file("m.jsonl")) << "{\"a\":1}\n{\"b\":";
  std::ostringstream console;
  MetricsLog log(options(folder.file("m.jsonl")), console);
  log.write(step(1));
  std::ifstream file(folder.file("m.jsonl"));
  const auto text = lines(file);
  REQUIRE(text.size() == 3);
  CHECK(text[1] == "{\"b\":");
  CHECK(nlohmann::json::parse(text[2])["step"] == 1);
}

TEST_CASE("a file that cannot be written is reported and does not stop the run",
          "[unit][telemetry]") {
  std::ostringstream console;
  MetricsLog missing(options("/proc/no-such-folder/m.jsonl"), console);
  missing.write(step(1));
  CHECK_THAT(console.str(), Catch::Contains("warning: cannot write /proc/no-such-folder"));

  std::ostringstream second;
  MetricsLog full(options("/dev/full"), second);
  full.write(step(1));
  full.write(step(2));
  const std::string text = second.str();
  CHECK_THAT(text, Catch::Contains("warning: writing /dev/full failed"));
  CHECK(text.find("warning") == text.rfind("warning"));
  CHECK_THAT(text, Catch::Contains("   2/100"));
}

TEST_CASE("the header comes first and again every 40 lines", "[unit][telemetry]") {
  std::ostringstream console;
  MetricsLog log(options(), console);
  for (int64_t n = 1; n <= 81; ++n) log.write(step(n));
  std::istringstream text(console.str());
  const auto all = lines(text);
  REQUIRE(all.size() == 84);
  for (size_t i = 0; i < all.size(); ++i) {
    CAPTURE(i, all[i]);
    CHECK((all[i].find("step/N") != std::string::npos) == (i % 41 == 0));
  }
}

TEST_CASE("a line shows means over its interval, and the last step always has one",
          "[unit][telemetry]") {
  std::ostringstream console;
  MetricsLogOptions o = options();
  o.log_interval = 4;
  o.train_iters = 6;
  o.style = LineStyle::megatron;
  MetricsLog log(o, console);
  for (int64_t n = 1; n <= 6; ++n) {
    StepMetrics m = step(n, static_cast<double>(n));
    m.seconds = 0.1 * static_cast<double>(n);
    m.skipped = n == 2;
    log.write(m);
  }
  std::istringstream text(console.str());
  const auto all = lines(text);
  REQUIRE(all.size() == 2);
  CHECK_THAT(all[0], Catch::Contains("iteration        4/       6") &&
                         Catch::Contains("lm loss: 2.666667E+00") &&  // (1 + 3 + 4) / 3
                         Catch::Contains("per iteration (ms): 250.0") &&
                         Catch::Contains("skipped iterations:   1") &&
                         Catch::Contains("iteration time: 1.000 s"));
  CHECK_THAT(all[1], Catch::Contains("lm loss: 5.500000E+00") &&
                         Catch::Contains("skipped iterations:   0"));
}

TEST_CASE("a job log's lines start with the time", "[unit][telemetry]") {
  std::ostringstream console;
  MetricsLogOptions o = options();
  o.terminal = false;
  MetricsLog log(o, console);
  log.write(step(1));
  std::istringstream text(console.str());
  for (const std::string& line : lines(text)) {
    CAPTURE(line);
    CHECK(line[4] == '-');
    CHECK(line[10] == 'T');
    CHECK(line[19] == ' ');
    CHECK(line.size() <= 120);
  }
}

TEST_CASE("the z-score measures a loss against the steps before it", "[unit][telemetry]") {
  const Folder folder;
  std::ostringstream console;
  MetricsLog log(options(folder.file("m.jsonl")), console);
  for (int64_t n = 1; n <= 20; ++n) log.write(step(n, n % 2 == 0 ? 3.0 : 1.0));
  log.write(step(21, 5.0));  // mean 2, deviation 1
  const auto json = records(folder.file("m.jsonl"));
  CHECK(json[15]["loss_z"].is_null());
  CHECK(json[16]["loss_z"].get<double>() == Approx(-1.0));
  CHECK(json[20]["loss_z"].get<double>() == Approx(3.0));
}

TEST_CASE("the summary counts steps, quantiles and the best validation loss", "[unit][telemetry]") {
  std::ostringstream console;
  MetricsLog log(options(), console);
  CHECK_NOTHROW(log.summary().text());
  for (int64_t n = 1; n <= 100; ++n) {
    StepMetrics m = step(n);
    m.seconds = static_cast<double>(n);
    m.skipped = n == 100;
    log.write(m);
  }
  log.write(ValidationMetrics{.step = 50, .loss = 2.0});
  log.write(ValidationMetrics{.step = 100, .loss = 2.5});
  log.write(TestMetrics{{.step = 100, .loss = 1.5}});
  log.write(SaveMetrics{.step = 100, .folder = "run"});
  const RunSummary summary = log.summary();
  CHECK(summary.steps == 100);
  CHECK(summary.last_step == 100);
  CHECK(summary.tokens == 25'600);
  CHECK(summary.step_seconds == 4950.0);
  CHECK(summary.median_seconds == 50.0);
  CHECK(summary.p95_seconds == 95.0);
  CHECK_THAT(summary.text(), Catch::Contains("best 2.0000 at step 50, last 2.5000") &&
                                 Catch::Contains("test loss") && Catch::Contains("1.5000") &&
                                 Catch::Contains("run (step 100)"));
}
