#include "plan/data_table.h"

#include <fmt/format.h>

#include "telemetry/table.h"

namespace swallow {

std::string data_table(const Datasets& datasets) {
  TextTable table{.title = "Data",
                  .header = {"split", "file", "share", "documents", "tokens", "samples", "epochs"}};
  for (const DatasetFact& fact : datasets.facts)
    table.rows.push_back({fact.split, fact.prefix, fmt::format("{:.3f}", fact.share),
                          std::to_string(fact.documents), std::to_string(fact.tokens),
                          std::to_string(fact.samples), std::to_string(fact.epochs)});
  std::string text = table.text();
  for (const std::string& notice : datasets.notices) text += notice + "\n";
  return text;
}

}  // namespace swallow
