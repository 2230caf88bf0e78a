#include "commands/inspect_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string_view>

#include "base/check.h"
#include "config/value_text.h"
#include "data/dataset_facts.h"
#include "data/indexed_dataset.h"
#include "telemetry/number_text.h"
#include "telemetry/table.h"

namespace swallow {

namespace {

constexpr int64_t kShownTokens = 16;
constexpr int64_t kShownDocuments = 10000;  // they are held until all is checked

struct FirstTokens {
  int64_t document = 0;
  int64_t length = 0;
  std::vector<int64_t> tokens;  // at most kShownTokens
};

struct Report {
  std::string prefix;
  IndexSummary summary;
  int64_t idx_bytes = 0;
  int64_t bin_bytes = 0;
  std::vector<FirstTokens> documents;
  std::optional<TokenFacts> verified;

  [[nodiscard]] double mean_document() const {
    const auto count = static_cast<double>(std::max<int64_t>(summary.header.documents(), 1));
    return static_cast<double>(summary.num_tokens) / count;
  }
};

/// The documents that `text`, A:B, names.
std::vector<FirstTokens> first_tokens(const DatasetFiles& files, const std::string& text) {
  const int64_t count = files.summary.header.documents();
  const size_t colon = text.find(':');
  const auto bound = [&](const std::string& number) {
    return parse_integer(fmt::format("--documents {}: ", printable(text)), number,
                         {0, static_cast<double>(count)});
  };
  if (colon == std::string::npos)
    throw ConfigError("--documents {}: expected A:B, e.g. 0:3 for the first three",
                      printable(text));
  const int64_t begin = bound(text.substr(0, colon));
  const int64_t end = bound(text.substr(colon + 1));
  if (begin >= end || end - begin > kShownDocuments)
    throw ConfigError("--documents {}: expected A below B, and at most {} documents at once",
                      printable(text), kShownDocuments);
  std::vector<FirstTokens> documents;
  for (int64_t i = begin; i < end; ++i) {
    const DocumentPlace place = place_of(files, i);
    documents.push_back(
        {i, place.length, read_tokens(files, place.begin, std::min(place.length, kShownTokens))});
  }
  return documents;
}

nlohmann::ordered_json json_of(const Report& report) {
  const IndexSummary& summary = report.summary;
  nlohmann::ordered_json json{
      {"prefix", report.prefix},
      {"version", kIndexVersion},
      {"dtype", name_of(summary.header.type)},
      {"bytes_per_token", size_of(summary.header.type)},
      {"sequences", summary.header.sequences},
      {"documents", summary.header.documents()},
      {"tokens", summary.num_tokens},
      {"idx_bytes", report.idx_bytes},
      {"bin_bytes", report.bin_bytes},
      {"shortest_document", summary.shortest_document},
      {"longest_document", summary.longest_document},
      {"mean_document", report.mean_document()},
      {"empty_documents", summary.empty_documents},
      {"modes", summary.header.multimodal},
      {"verified", report.verified.has_value()},
  };
  if (report.verified) {
    json["smallest_token"] = report.verified->smallest;
    json["largest_token"] = report.verified->largest;
    json["idx_xxh3_128"] = report.verified->idx_hash;
    json["bin_xxh3_128"] = report.verified->bin_hash;
  }
  for (const FirstTokens& item : report.documents) {
    json["first_tokens"].push_back(
        {{"document", item.document}, {"length", item.length}, {"tokens", item.tokens}});
  }
  return json;
}

void print_tables(const Report& report, std::ostream& out) {
  const IndexSummary& summary = report.summary;
  TextTable table{.title = report.prefix};
  const auto add = [&table](std::string_view name, const auto& value, const std::string& note) {
    table.rows.push_back({std::string(name), fmt::format("{}", value), note});
  };
  add("version", kIndexVersion, "");
  add("token type", name_of(summary.header.type),
      bytes_text(size_of(summary.header.type)) + " each");
  add("sequences", summary.header.sequences, "");
  add("documents", summary.header.documents(), count_text(summary.header.documents()));
  add("tokens", summary.num_tokens, count_text(summary.num_tokens));
  add("bytes of .idx", report.idx_bytes, bytes_text(report.idx_bytes));
  add("bytes of .bin", report.bin_bytes, bytes_text(report.bin_bytes));
  add("shortest document", summary.shortest_document, "tokens");
  add("longest document", summary.longest_document, "tokens");
  add("mean document", fmt::format("{:.1f}", report.mean_document()), "tokens");
  add("empty documents", summary.empty_documents, "");
  if (summary.header.multimodal) add("modes", "yes", "one byte a sequence");
  if (report.verified) {
    add("smallest token", report.verified->smallest, "");
    add("largest token", report.verified->largest, "");
  }
  out << table.text();
  if (report.verified)
    out << fmt::format("  every byte was read; XXH3-128 {}  .idx\n{:33}{}  .bin\n",
                       report.verified->idx_hash, "", report.verified->bin_hash);
  for (const FirstTokens& item : report.documents) {
    const int64_t more = item.length - static_cast<int64_t>(item.tokens.size());
    out << fmt::format("  document {}, {} tokens: {}{}\n", item.document, item.length,
                       fmt::join(item.tokens, " "),
                       more > 0 ? fmt::format(" ... {} more", more) : "");
  }
}

}  // namespace

void inspect_dataset(const InspectOptions& options, std::ostream& out) {
  Report report{.prefix = dataset_prefix(options.path)};
  const DatasetFiles files(report.prefix);
  report.summary = files.summary;
  report.idx_bytes = files.idx.size();
  report.bin_bytes = files.bin.size();
  if (!options.documents.empty()) report.documents = first_tokens(files, options.documents);
  if (options.verify) report.verified = verify_tokens(files, options.vocab_size);
  if (options.json) {
    out << json_of(report).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  } else {
    print_tables(report, out);
  }
}

}  // namespace swallow
