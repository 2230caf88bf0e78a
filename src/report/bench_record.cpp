#include "report/bench_record.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "config/value_text.h"
#include "report/json_lines.h"

namespace swallow {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr uintmax_t kMaxBytes = uintmax_t{64} << 20;

Json parse_file(const std::string& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error))
    throw ConfigError("--bench {}: is no file; expected a record of bench --output",
                      printable(path));
  if (fs::file_size(path, error) > kMaxBytes)
    throw DataError("{}: larger than 64 MiB; expected a record of bench --output", printable(path));
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  Json record = parse_line(text);
  if (record.is_discarded() || text_or(record, "kind", "") != "bench")
    throw DataError("{}: no record of bench --output; expected one JSON object of kind bench",
                    printable(path));
  return record;
}

/// The object under `key`; an empty one when there is none.
Json part(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : Json::object();
}

BenchRecord read_record(const std::string& path) {
  const Json json = parse_file(path);
  const std::string mode = text_or(json, "mode", "");
  if (mode != "step")
    throw DataError(
        "{}: a record of mode {}; expected one of whole steps, without --slice and --ops",
        printable(path), printable(mode));
  const Json grid = part(json, "grid");
  const Json rates = part(json, "throughput");
  const Json config = part(json, "config");
  const Json step = part(json, "step_ms");
  BenchRecord record{
      .path = path,
      .label = fs::path(path).stem().string(),
      .preset = text_or(config, "preset", ""),
      .device = text_or(part(json, "machine"), "device_name", "unknown device"),
      .build = text_or(json, "build", ""),
      .time = text_or(json, "time", ""),
      .ranks = integer_or(grid, "ranks", 0),
      .dp = integer_or(grid, "dp", 0),
      .tp = integer_or(grid, "tp", 0),
      .pp = integer_or(grid, "pp", 0),
      .global_batch_size = integer_or(config, "global_batch_size", 0),
      .micro_batch_size = integer_or(config, "micro_batch_size", 0),
      .seq_length = integer_or(config, "seq_length", 0),
      .step_ms = number_or(step, "median", 0),
      .spread = number_or(step, "spread", 0),
      .tokens_per_second = number_or(rates, "tokens_per_second", 0),
      .tokens_per_second_per_rank = number_or(rates, "tokens_per_second_per_rank", 0),
      .mfu = number_or(rates, "mfu_causal", 0)};
  for (size_t i = 0; i < kFlopFormulas.size(); ++i)
    record.tflops[i] =
        number_or(rates, fmt::format("tflops_per_rank_{}", name_of(kFlopFormulas[i])).c_str(), 0);
  if (record.ranks < 1 || !(record.tokens_per_second > 0))
    throw DataError("{}: its grid.ranks and throughput.tokens_per_second must be above 0",
                    printable(path));
  return record;
}

}  // namespace

std::string BenchRecord::series() const {
  return fmt::format("{}, {}", preset.empty() ? "no preset" : preset, device);
}

std::vector<BenchRecord> read_bench_records(const std::vector<std::string>& paths) {
  std::vector<BenchRecord> records;
  for (const std::string& path : paths) records.push_back(read_record(path));
  return records;
}

}  // namespace swallow
