#include "bench/plan_cases.h"

#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/math.h"
#include "config/value_text.h"
#include "plan/sourced_json.h"
#include "plan/step_estimate.h"

namespace swallow {

namespace {

using Json = nlohmann::ordered_json;

Recompute recompute_of(const std::string& name) {
  return parse_enum<Recompute>("recompute ", name);
}

StepCase model_of(const Json& m) {
  StepCase c;
  c.size.num_layers = m.at("num_layers");
  c.size.hidden_size = m.at("hidden_size");
  c.size.ffn_hidden_size = m.at("ffn_hidden_size");
  c.size.num_attention_heads = m.at("num_attention_heads");
  c.size.kv_heads = m.at("num_query_groups");
  c.size.head_dim = c.size.hidden_size / c.size.num_attention_heads;
  c.size.vocab_size = m.at("vocab_size");
  c.size.seq_length = m.at("seq_length");
  c.feed_forward = m.at("feed_forward") == "gated" ? FeedForward::gated : FeedForward::plain;
  return c;
}

/// Equal stages; what does not divide goes to the first ones.
std::vector<int64_t> even_split(int64_t layers, int64_t stages) {
  std::vector<int64_t> counts(static_cast<size_t>(stages), layers / stages);
  for (int64_t i = 0; i < layers % stages; ++i) ++counts[static_cast<size_t>(i)];
  return counts;
}

void cut(StepCase& c, const Json& row) {
  const int64_t gpus = row[1];
  c.tp = row[2];
  c.pp = row[3];
  c.interleave = row[4];
  c.dp = exact_div(gpus, c.tp * c.pp);
  c.micro_batch_size = row[5];
  c.num_microbatches = exact_div(row[6].get<int64_t>(), c.micro_batch_size * c.dp);
  c.sequence_parallel = row[7].get<bool>() && c.tp > 1;
  c.recompute = recompute_of(row[8]);
  c.padded_vocab_size = c.size.vocab_size;
  c.layers_of_stage = even_split(c.size.num_layers, c.pp);
}

std::string label_of(const StepCase& c, const std::string& model) {
  return fmt::format("{} DP{} TP{} PP{}{} mbs {}{} {}", model, c.dp, c.tp, c.pp,
                     c.interleave > 1 ? fmt::format("x{}", c.interleave) : "", c.micro_batch_size,
                     c.sequence_parallel ? " SP" : "", name_of(c.recompute));
}

double published_seconds(const Json& set, const StepCase& c, double value) {
  const auto unit = set.at("unit").get<std::string>();
  if (unit == "seconds") return value;
  if (unit == "layer_ms") return value / 1e3;
  for (const FlopFormula formula : kFlopFormulas)
    if (unit == "tflops" && set.at("formula") == name_of(formula))
      return flops_per_token(formula, c.size) * static_cast<double>(c.tokens_per_step()) /
             (value * 1e12 * static_cast<double>(c.world_size()));
  throw ConfigError("unit {}: expected seconds, layer_ms, or tflops by a known formula", unit);
}

void read_set(const Json& json, const Json& set, std::vector<PublishedCase>& cases) {
  for (const Json& row : set.at("rows")) {
    PublishedCase published;
    const auto model = row[0].get<std::string>();
    published.set = set.at("name");
    published.hardware = set.at("hardware");
    published.software = set.at("software");
    published.overlaps_gradients = set.at("overlaps_gradients");
    published.one_layer = set.at("unit") == "layer_ms";
    published.step = model_of(json.at("models").at(model));
    cut(published.step, row);
    published.step.sharded_optimizer = set.at("sharded_optimizer");
    published.label = label_of(published.step, model);
    published.seconds = published_seconds(set, published.step, row[9]);
    cases.push_back(std::move(published));
  }
}

}  // namespace

std::vector<PublishedCase> read_published_cases(const std::string& path) {
  const Json json = read_json_file(path);
  std::vector<PublishedCase> cases;
  try {
    for (const Json& set : json.at("sets")) read_set(json, set, cases);
  } catch (const Json::exception& error) {
    throw ConfigError("{}: {}", printable(path), printable(error.what()));
  }
  return cases;
}

double predict(const PublishedCase& published, const HardwareProfile& hardware,
               SoftwareProfile software) {
  software.overlaps_gradients = published.overlaps_gradients;
  if (!published.one_layer) return estimate_step(hardware, software, published.step).total();
  HardwareProfile scaled = hardware;
  scaled.gemm_efficiency *= software.gemm_efficiency;
  const MicrobatchSeconds layer = layer_seconds(scaled, software, published.step);
  return layer.forward.total() + layer.backward.total();
}

}  // namespace swallow
