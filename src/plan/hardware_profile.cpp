#include "plan/hardware_profile.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

#include "base/check.h"
#include "config/nearest_name.h"
#include "config/preset.h"
#include "config/value_text.h"
#include "plan/sourced_json.h"

namespace swallow {

namespace {

namespace fs = std::filesystem;

constexpr std::array kPasses{
    MemoryPass::norm_forward,       MemoryPass::norm_backward,       MemoryPass::rope,
    MemoryPass::activation_forward, MemoryPass::activation_backward, MemoryPass::scores,
    MemoryPass::embedding,          MemoryPass::cross_entropy,       MemoryPass::adamw,
    MemoryPass::gradient_norm,      MemoryPass::gradient_zero};

constexpr Range kPositive{.low = 0, .high = 1e9, .low_open = true};
constexpr Range kShare{.low = 0, .high = 1, .low_open = true};
constexpr Range kMicroseconds{.low = 0, .high = 1e7};

fs::path profile_folder() {
  return fs::path(preset_folder()) / "gpu";
}

std::string path_of(const std::string& name_or_path) {
  if (name_or_path.find('/') != std::string::npos || name_or_path.ends_with(".json"))
    return name_or_path;
  const std::vector<std::string> names = hardware_profile_names();
  if (std::find(names.begin(), names.end(), name_or_path) == names.end())
    throw ConfigError("hardware {}: expected the path of a .json file, or one of {} (in {}){}",
                      printable(name_or_path), fmt::join(names, "|"), profile_folder().string(),
                      did_you_mean(name_or_path, names));
  return (profile_folder() / (name_or_path + ".json")).string();
}

std::vector<GemmTile> read_tiles(SourcedObject& object) {
  std::vector<GemmTile> tiles;
  for (const auto& row : object.rows("gemm_tiles", 3, kPositive))
    tiles.push_back({static_cast<int64_t>(row[0]), static_cast<int64_t>(row[1]), row[2]});
  return tiles;
}

std::map<MemoryPass, double> read_passes(SourcedObject& object, const std::string& where) {
  std::map<MemoryPass, double> rates;
  for (const auto& [name, rate] : object.table("pass_gbytes_per_second", kPositive)) {
    const auto* const pass = std::find_if(kPasses.begin(), kPasses.end(),
                                          [&](MemoryPass p) { return name_of(p) == name; });
    if (pass == kPasses.end()) {
      std::vector<std::string> names;
      for (const MemoryPass p : kPasses) names.emplace_back(name_of(p));
      throw ConfigError("{}: \"pass_gbytes_per_second\" \"{}\": expected one of {}", where,
                        printable(name), fmt::join(names, "|"));
    }
    rates[*pass] = rate;
  }
  return rates;
}

void read_computation(SourcedObject& object, HardwareProfile& p) {
  p.peak_tflops = object.number("peak_tflops", kPositive);
  p.gemm_efficiency = object.number("gemm_efficiency", kShare);
  p.multiprocessors = object.integer("multiprocessors", {1, 1 << 20});
  p.gemm_tiles = read_tiles(object);
  p.gemm_ramp = object.number("gemm_ramp", {.low = 0, .high = 1e6});
  p.gemm_overhead_us = object.number("gemm_overhead_us", kMicroseconds);
  for (const auto& [key, rate] :
       {std::pair{"gemm_operand_gbytes_per_second", &p.gemm_operand_gbytes_per_second},
        std::pair{"gemm_result_gbytes_per_second", &p.gemm_result_gbytes_per_second}})
    if (object.has(key)) *rate = object.number(key, {.low = 0, .high = 1e6});
  p.attention_forward_tflops = object.number("attention_forward_tflops", kPositive);
  p.attention_backward_tflops = object.number("attention_backward_tflops", kPositive);
}

void read_communication(SourcedObject& object, HardwareProfile& p) {
  p.ranks_per_node = object.integer("ranks_per_node", {1, 1 << 16});
  p.link_gbytes_per_second = object.number("link_gbytes_per_second", kPositive);
  p.link_latency_us = object.number("link_latency_us", kMicroseconds);
  p.network_gbytes_per_second = object.number("network_gbytes_per_second", kPositive);
  p.network_latency_us = object.number("network_latency_us", kMicroseconds);
}

}  // namespace

std::string_view name_of(MemoryPass pass) {
  switch (pass) {
    case MemoryPass::norm_forward:
      return "norm_forward";
    case MemoryPass::norm_backward:
      return "norm_backward";
    case MemoryPass::rope:
      return "rope";
    case MemoryPass::activation_forward:
      return "activation_forward";
    case MemoryPass::activation_backward:
      return "activation_backward";
    case MemoryPass::scores:
      return "scores";
    case MemoryPass::embedding:
      return "embedding";
    case MemoryPass::cross_entropy:
      return "cross_entropy";
    case MemoryPass::adamw:
      return "adamw";
    case MemoryPass::gradient_norm:
      return "gradient_norm";
    case MemoryPass::gradient_zero:
      return "gradient_zero";
  }
  return "?";
}

double HardwareProfile::pass_seconds(MemoryPass pass, double bytes) const {
  const auto own = pass_gbytes_per_second.find(pass);
  const double rate = own == pass_gbytes_per_second.end() ? memory_gbytes_per_second : own->second;
  return bytes / (rate * 1e9);
}

HardwareProfile load_hardware_profile(const std::string& name_or_path) {
  const std::string path = path_of(name_or_path);
  const std::string where = printable(path);
  const nlohmann::ordered_json json = read_json_file(path);
  SourcedObject object(json, where);
  HardwareProfile p;
  p.name = object.text("name");
  p.description = object.text("description");
  read_computation(object, p);
  p.memory_bytes = object.integer("memory_bytes", {1, 1e15});
  p.memory_gbytes_per_second = object.number("memory_gbytes_per_second", kPositive);
  if (object.has("pass_gbytes_per_second")) p.pass_gbytes_per_second = read_passes(object, where);
  read_communication(object, p);
  if (object.has("attention_block"))
    p.attention_block = object.integer("attention_block", {0, 1 << 16});
  if (object.has("shared_cores")) p.shared_cores = object.integer("shared_cores", {1, 1 << 16});
  if (object.has("gemm_table")) {
    const fs::path table = object.text("gemm_table");
    p.measured_gemms = read_gemm_measurements(
        table.is_absolute() ? table.string() : (fs::path(path).parent_path() / table).string());
  }
  object.finish();
  return p;
}

std::vector<std::string> hardware_profile_names() {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(profile_folder(), error), end; !error && entry != end;
       entry.increment(error))
    if (entry->path().extension() == ".json") names.push_back(entry->path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace swallow
