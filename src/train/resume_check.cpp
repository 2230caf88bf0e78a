#include "train/resume_check.h"

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/check.h"
#include "config/config_json.h"

namespace swallow {

namespace {

constexpr std::array<std::string_view, 17> kFixed = {
    "num_layers", "hidden_size",       "ffn_hidden_size", "num_attention_heads", "num_query_groups",
    "vocab_size", "seq_length",        "rotary_base",     "norm_epsilon",        "params_dtype",
    "seed",       "global_batch_size", "data_path",       "train_data_path",     "valid_data_path",
    "split",      "mock_data"};

}  // namespace

void require_same_run(const RunConfig& config, const std::string& saved_json,
                      const std::string& folder) {
  // Through RunConfig and back, so that options which the saved record lacks have their defaults.
  const auto saved =
      nlohmann::json::parse(config_json(config_from_json(saved_json, folder + " (manifest)")));
  const auto now = nlohmann::json::parse(config_json(config));
  std::string differences;
  for (const std::string_view key : kFixed)
    if (saved.at(std::string(key)) != now.at(std::string(key)))
      differences += fmt::format("\n  {}: saved {}, now {}", key, saved.at(std::string(key)).dump(),
                                 now.at(std::string(key)).dump());
  if (!differences.empty())
    throw CheckpointError(
        "--load {}: the checkpoint belongs to another run:{}\nexpected the same values, or "
        "--finetune to take the weights only",
        folder, differences);
}

}  // namespace swallow
