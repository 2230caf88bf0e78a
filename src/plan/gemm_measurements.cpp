#include "plan/gemm_measurements.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "config/value_text.h"
#include "plan/sourced_json.h"

namespace swallow {

namespace {

using Json = nlohmann::ordered_json;

void keep_fastest(GemmMeasurements& table, const GemmShape& shape, double seconds) {
  if (seconds <= 0) return;  // the record of a product that was not timed
  const auto [entry, added] = table.emplace(shape, seconds);
  if (!added) entry->second = std::min(entry->second, seconds);
}

GemmShape shape_of(const Json& product, const char* adds) {
  return {product.at("m"), product.at("n"), product.at("k"), product.at(adds)};
}

void read_bench_record(const Json& record, GemmMeasurements& table) {
  if (record.contains("products"))
    for (const Json& product : record.at("products"))
      keep_fastest(table, shape_of(product, "adds"), product.at("chosen_ms").get<double>() / 1e3);
  if (!record.contains("ops")) return;
  for (const Json& op : record.at("ops"))
    if (op.at("gemm").get<bool>())
      keep_fastest(table, parse_gemm_shape(op.at("shape").get<std::string>()),
                   op.at("ms").at("median").get<double>() / 1e3);
}

}  // namespace

GemmShape parse_gemm_shape(const std::string& text) {
  GemmShape shape;
  if (std::sscanf(text.c_str(), "%ld x %ld x %ld", &shape.m, &shape.n, &shape.k) != 3)
    throw ConfigError("a product's shape \"{}\": expected \"m x n x k ...\"", printable(text));
  shape.adds = text.ends_with("+=");
  return shape;
}

GemmMeasurements read_gemm_measurements(const std::string& path) {
  const Json json = read_json_file(path);
  GemmMeasurements table;
  try {
    if (json.contains("kind") && json.at("kind") == "bench") {
      read_bench_record(json, table);
    } else {
      for (const Json& product : json.at("products"))
        keep_fastest(table, shape_of(product, "accumulate"),
                     product.at("chosen_ms").get<double>() / 1e3);
    }
  } catch (const Json::exception& error) {
    throw ConfigError("{}: expected a table of measured products or a record of bench --output: {}",
                      printable(path), printable(error.what()));
  }
  if (table.empty()) throw ConfigError("{}: holds no measured matrix product", printable(path));
  return table;
}

}  // namespace swallow
