#include "train/start_records.h"

#include <nlohmann/json.hpp>

#include "plan/memory_plan.h"

namespace swallow {

namespace {

using Json = nlohmann::ordered_json;

/// Names of files need not be UTF-8.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string data_record(const Datasets& datasets) {
  Json sources = Json::array();
  for (const DatasetFact& fact : datasets.facts)
    sources.push_back({{"split", fact.split},
                       {"prefix", fact.prefix},
                       {"share", fact.share},
                       {"documents", fact.documents},
                       {"tokens", fact.tokens},
                       {"samples", fact.samples},
                       {"epochs", fact.epochs}});
  return dump({{"sources", std::move(sources)}});
}

std::string memory_record(const RunConfig& config, const RunShape& run, Device device,
                          int num_threads) {
  Json stages = Json::array();
  for (int stage = 0; stage < run.pp; ++stage) {
    const Ledger plan = plan_memory(config, run, {.pp = stage}, device, num_threads);
    Json bytes = Json::object();
    for (const auto& [category, size] : plan.rows()) bytes[category] = size;
    stages.push_back({{"stage", stage}, {"bytes", std::move(bytes)}});
  }
  return dump({{"stages", std::move(stages)}});
}

}  // namespace swallow
