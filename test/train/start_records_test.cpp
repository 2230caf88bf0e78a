#include "train/start_records.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "plan/memory_plan.h"
#include "support/scratch_folder.h"
#include "support/tiny_model.h"
#include "telemetry/metrics_log.h"

using namespace swallow;

TEST_CASE("the record of the data has a source for each fact of the table", "[unit]") {
  Datasets datasets;
  datasets.facts = {{.split = "train",
                     .prefix = "data/\"ja\"\xff",  // any bytes are a file's name
                     .share = 0.25,
                     .documents = 7,
                     .tokens = 12'345'678'901,
                     .samples = 40,
                     .epochs = 2},
                    {.split = "valid", .prefix = "data/en"}};
  const auto sources = nlohmann::json::parse(data_record(datasets)).at("sources");
  REQUIRE(sources.size() == 2);
  CHECK(sources[0].at("split") == "train");
  CHECK(sources[0].at("prefix") == "data/\"ja\"\uFFFD");
  CHECK(sources[0].at("share") == 0.25);
  CHECK(sources[0].at("documents") == 7);
  CHECK(sources[0].at("tokens") == 12'345'678'901);
  CHECK(sources[0].at("samples") == 40);
  CHECK(sources[0].at("epochs") == 2);
  CHECK(sources[1].at("prefix") == "data/en");
  CHECK(nlohmann::json::parse(data_record({})).at("sources").empty());
}

TEST_CASE("the record of the memory is each stage's plan to the byte", "[unit]") {
  RunConfig config = tiny_config();
  config.parallel.pipeline_model_parallel_size = 2;
  const RunShape run = resolve(config, 2);
  const auto stages = nlohmann::json::parse(memory_record(config, run, {}, 1)).at("stages");
  REQUIRE(stages.size() == 2);
  for (int stage = 0; stage < 2; ++stage) {
    const auto& bytes = stages[static_cast<size_t>(stage)].at("bytes");
    CHECK(stages[static_cast<size_t>(stage)].at("stage") == stage);
    const Ledger plan = plan_memory(config, run, {.pp = stage}, {}, 1);
    CHECK(bytes.size() == plan.rows().size());
    int64_t total = 0;
    for (const auto& [category, size] : plan.rows()) {
      CHECK(bytes.at(category) == size);
      total += bytes.at(category).get<int64_t>();
    }
    CHECK(total == plan.total());
  }
}

TEST_CASE("facts are lines of the metrics file like others", "[unit][telemetry]") {
  const test::ScratchFolder scratch;
  std::ostringstream console;
  MetricsLog log({.jsonl_path = scratch / "metrics.jsonl"}, console);
  log.write_facts("data", R"({"sources": [{"split": "train"}]})");
  std::ifstream file(scratch / "metrics.jsonl");
  const auto row = nlohmann::json::parse(file);
  CHECK(row.at("schema") == MetricsLog::kSchema);
  CHECK(row.at("kind") == "data");
  CHECK(row.at("sources")[0].at("split") == "train");
}
