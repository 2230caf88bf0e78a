// The PyTorch fixture in test/golden (written by scripts/make_golden.py): a tiny Llama's gradients
// and ten AdamW steps. Weights and tokens are not stored: both sides derive them from Philox.
#pragma once

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/philox.h"

namespace swallow::test {

/// Row-major tensors by Hugging Face name.
using NamedTensors = std::map<std::string, std::vector<double>>;

struct Golden {
  uint64_t seed = 0;
  int64_t hidden = 0, layers = 0, heads = 0, kv_heads = 0, ffn = 0, vocab = 0;
  double norm_eps = 0, rope_theta = 0, init_std = 0;
  int64_t batch = 0, sequence = 0;  // one microbatch a step
  double beta1 = 0, beta2 = 0, eps = 0, weight_decay = 0, clip_grad = 0;
  double max_lr = 0, min_lr = 0;  // cosine
  int64_t warmup_steps = 0, decay_steps = 0;
  std::vector<double> learning_rates;              // of each step's update
  std::vector<double> losses;                      // mean over the batch before each update, f64
  std::vector<double> grad_norms;                  // before clipping, f64
  std::vector<double> losses_f32;                  // the same run in f32
  NamedTensors gradients;                          // of losses[0], f64
  NamedTensors first_weights;                      // the first elements of every initial weight
  std::vector<std::vector<int32_t>> first_tokens;  // [step] of sequence 1
};

/// $SWALLOW_GOLDEN, for binaries that were carried to another machine, or that of the source tree.
inline std::string golden_folder() {
  const char* folder = std::getenv("SWALLOW_GOLDEN");
  return folder != nullptr ? folder : std::string(SWALLOW_SOURCE_DIR) + "/test/golden";
}

inline std::vector<char> read_golden_file(const std::string& name) {
  const std::string path = golden_folder() + "/" + name;
  std::ifstream file(path, std::ios::binary);
  INFO(path);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

/// An F64 safetensors file: u64 length of a JSON header, the header, the data.
inline NamedTensors read_golden_tensors(const std::string& name) {
  const std::vector<char> bytes = read_golden_file(name);
  uint64_t header_bytes = 0;
  REQUIRE(bytes.size() > sizeof header_bytes);
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  REQUIRE(header_bytes <= bytes.size() - sizeof header_bytes);
  const char* header = bytes.data() + sizeof header_bytes;
  const char* data = header + header_bytes;
  NamedTensors tensors;
  const auto entries = nlohmann::json::parse(header, data);
  for (const auto& [key, entry] : entries.items()) {
    const auto begin = entry.at("data_offsets").at(0).get<size_t>();
    const auto end = entry.at("data_offsets").at(1).get<size_t>();
    REQUIRE(entry.at("dtype") == "F64");
    REQUIRE(begin <= end);
    REQUIRE(end <= static_cast<size_t>(bytes.data() + bytes.size() - data));
    std::vector<double>& values = tensors[key];
    values.resize((end - begin) / sizeof(double));
    std::memcpy(values.data(), data + begin, end - begin);
  }
  return tensors;
}

inline Golden load_golden() {
  const auto text = read_golden_file("tiny_llama.json");
  const auto json = nlohmann::json::parse(text);
  const auto& model = json.at("model");
  const auto& optimizer = json.at("optimizer");
  Golden g;
  json.at("seed").get_to(g.seed);
  model.at("hidden").get_to(g.hidden);
  model.at("layers").get_to(g.layers);
  model.at("heads").get_to(g.heads);
  model.at("kv_heads").get_to(g.kv_heads);
  model.at("ffn").get_to(g.ffn);
  model.at("vocab").get_to(g.vocab);
  model.at("norm_eps").get_to(g.norm_eps);
  model.at("rope_theta").get_to(g.rope_theta);
  model.at("init_std").get_to(g.init_std);
  json.at("batch").get_to(g.batch);
  json.at("sequence").get_to(g.sequence);
  optimizer.at("beta1").get_to(g.beta1);
  optimizer.at("beta2").get_to(g.beta2);
  optimizer.at("eps").get_to(g.eps);
  optimizer.at("weight_decay").get_to(g.weight_decay);
  optimizer.at("clip_grad").get_to(g.clip_grad);
  optimizer.at("max_lr").get_to(g.max_lr);
  optimizer.at("min_lr").get_to(g.min_lr);
  optimizer.at("warmup_steps").get_to(g.warmup_steps);
  optimizer.at("decay_steps").get_to(g.decay_steps);
  json.at("learning_rates").get_to(g.learning_rates);
  json.at("losses").get_to(g.losses);
  json.at("grad_norms").get_to(g.grad_norms);
  json.at("losses_f32").get_to(g.losses_f32);
  json.at("first_weights").get_to(g.first_weights);
  json.at("first_tokens").get_to(g.first_tokens);
  g.gradients = read_golden_tensors(json.at("gradients").get<std::string>());
  return g;
}

/// Token i (0 .. sequence) of one sequence at one step: inputs are tokens [0, sequence), targets
/// tokens [1, sequence].
inline int32_t golden_token(const Golden& g, int64_t step, int64_t sequence, int64_t i) {
  const PhiloxBlock block = philox(
      {static_cast<uint32_t>(i), static_cast<uint32_t>(sequence), static_cast<uint32_t>(step), 0},
      {77, 0});
  return static_cast<int32_t>(block[0] % static_cast<uint64_t>(g.vocab));
}

/// Element `element` of an initial weight, row-major: norms are 1, projections back into the
/// residual stream std / sqrt(2 layers), everything else std.
inline double golden_weight(const Golden& g, std::string_view name, uint64_t element) {
  const auto ends_with = [&](std::string_view end) { return name.ends_with(end); };
  if (ends_with("norm.weight")) return 1;
  const bool residual = ends_with("o_proj.weight") || ends_with("down_proj.weight");
  const double std =
      residual ? g.init_std / std::sqrt(2 * static_cast<double>(g.layers)) : g.init_std;
  return philox_normal(g.seed, stream_of(name), element) * std;
}

}  // namespace swallow::test
