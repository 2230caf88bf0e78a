#include "train/resume_check.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/check.h"
#include "config/config_json.h"
#include "config/fields.h"
#include "config/nearest_name.h"
#include "config/value_text.h"

namespace swallow {

namespace {

/// order: may change where the order of samples stays the same, which the data tell
/// (order_check.h).
enum class Binding : uint8_t { shape, type, choice, order };

/// A setting that a resume must give again.
struct FixedSetting {
  std::string_view key;
  Binding binding = Binding::choice;
  std::string_view consequence{};  // of accepting a change, where that can be done
};

constexpr std::string_view kOtherFunction =
    "the model computes another function of the same weights";
constexpr std::string_view kOtherText =
    "samples come from other text or in other shares, so some may come twice or never";

constexpr std::array kFixed = {
    FixedSetting{"num_layers", Binding::shape},
    FixedSetting{"hidden_size", Binding::shape},
    FixedSetting{"ffn_hidden_size", Binding::shape},
    FixedSetting{"num_attention_heads", Binding::shape},
    FixedSetting{"num_query_groups", Binding::shape},
    FixedSetting{"vocab_size", Binding::shape},
    FixedSetting{"seq_length", Binding::choice,
                 "text is cut into other samples, so some may come twice or never"},
    FixedSetting{"rotary_base", Binding::choice, kOtherFunction},
    FixedSetting{"norm_epsilon", Binding::choice, kOtherFunction},
    FixedSetting{"params_dtype", Binding::type},
    FixedSetting{"seed", Binding::choice,
                 "samples come in another order, so some may come twice or never"},
    FixedSetting{"global_batch_size", Binding::choice,
                 "a step takes another number of samples, the learning rate counts steps as "
                 "before; the order is another one where the data now needs other epochs"},
    FixedSetting{"data_path", Binding::choice, kOtherText},
    FixedSetting{"train_data_path", Binding::choice, kOtherText},
    FixedSetting{"valid_data_path", Binding::choice,
                 "validation losses do not compare with earlier ones"},
    FixedSetting{"split", Binding::choice,
                 "samples come in another order, and validation may see text already trained on"},
    FixedSetting{"mock_data", Binding::choice, kOtherText},
    FixedSetting{"train_iters", Binding::order},
    FixedSetting{"eval_interval", Binding::order},
    FixedSetting{"eval_iters", Binding::order},
};

std::string_view reason(Binding binding) {
  return binding == Binding::shape ? "the shape of the weights" : "the type of the weights";
}

bool can_accept(const FixedSetting& setting) {
  return setting.binding == Binding::choice || setting.binding == Binding::order;
}

const FixedSetting* find_fixed(std::string_view key) {
  const auto* found = std::find_if(kFixed.begin(), kFixed.end(),
                                   [&](const FixedSetting& item) { return item.key == key; });
  return found == kFixed.end() ? nullptr : found;
}

std::vector<std::string> acceptable_keys() {
  std::vector<std::string> keys;
  for (const FixedSetting& item : kFixed)
    if (can_accept(item)) keys.emplace_back(item.key);
  return keys;
}

bool is_option(std::string_view key) {
  const RunConfig built_in;
  bool found = false;
  visit_fields(built_in, [&](const auto&, const FieldInfo& info) { found |= info.key == key; });
  return found;
}

void check_acceptable(const std::string& key) {
  const std::vector<std::string> keys = acceptable_keys();
  const FixedSetting* setting = find_fixed(key);
  if (setting != nullptr && can_accept(*setting)) return;
  if (setting != nullptr)
    throw ConfigError("--accept-change {}: it decides {}, which no resume can change; expected {}",
                      key, reason(setting->binding), fmt::join(keys, "|"));
  if (is_option(key))
    throw ConfigError("--accept-change {}: it may change at any resume without this; expected {}",
                      key, fmt::join(keys, "|"));
  throw ConfigError("--accept-change {}: unknown name; expected {}{}", printable(key),
                    fmt::join(keys, "|"), did_you_mean(key, keys));
}

struct Difference {
  const FixedSetting* setting;
  std::string saved;
  std::string now;
};

std::vector<Difference> compare(const RunConfig& config, const std::string& saved_json,
                                const std::string& folder) {
  // Through RunConfig and back, so that options which the saved record lacks have their defaults.
  const auto saved =
      nlohmann::json::parse(config_json(config_from_json(saved_json, folder + " (manifest)")));
  const auto now = nlohmann::json::parse(config_json(config));
  std::vector<Difference> differences;
  for (const FixedSetting& item : kFixed) {
    const std::string key(item.key);
    if (item.binding == Binding::order) continue;
    if (saved.at(key) != now.at(key))
      differences.push_back({&item, saved.at(key).dump(), now.at(key).dump()});
  }
  return differences;
}

/// What the user can do about `differences`.
std::string way_out(const std::vector<Difference>& differences) {
  std::string fixed;
  std::vector<std::string_view> acceptable;
  bool shapes = false;
  for (const auto& [setting, saved, now] : differences) {
    if (setting->binding == Binding::choice) {
      acceptable.push_back(setting->key);
      continue;
    }
    shapes |= setting->binding == Binding::shape;
    fixed += fmt::format("; {} decides {} and cannot be accepted", setting->key,
                         reason(setting->binding));
  }
  std::string text = "expected the same values";
  if (fixed.empty())
    text += fmt::format(", or --accept-change {} to go on with the new ones",
                        fmt::join(acceptable, ","));
  if (!shapes) text += ", or --finetune to take the weights only";
  return text + fixed;
}

}  // namespace

std::vector<std::string> accepted_changes(const std::string& text) {
  std::vector<std::string> keys;
  for (size_t at = 0; !text.empty() && at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    std::string key = text.substr(at, comma - at);
    std::replace(key.begin(), key.end(), '-', '_');
    check_acceptable(key);
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    at = comma + 1;
  }
  return keys;
}

std::vector<std::string> require_same_run(const RunConfig& config, const CheckpointState& saved,
                                          const std::string& folder) {
  std::vector<std::string> unneeded = accepted_changes(config.checkpoint.accept_change);
  const std::vector<Difference> differences = compare(config, saved.config_json, folder);
  std::string list;
  std::vector<std::string> lines;
  bool refused = false;
  for (const auto& [setting, before, now] : differences) {
    const bool accepted = std::erase(unneeded, setting->key) > 0;
    refused |= !accepted;
    list += fmt::format("\n  {}: saved {}, now {}{}", setting->key, before, now,
                        accepted ? " (accepted)" : "");
    if (accepted)
      lines.push_back(fmt::format(
          "--accept-change {}: {} -> {}: {}; the position stays {} consumed samples", setting->key,
          before, now, setting->consequence, saved.consumed_train_samples));
  }
  if (refused)
    throw CheckpointError("--load {}: the checkpoint belongs to another run:{}\n{}", folder, list,
                          way_out(differences));
  std::erase_if(unneeded,
                [](const std::string& key) { return find_fixed(key)->binding == Binding::order; });
  for (const std::string& key : unneeded)
    lines.push_back(fmt::format(
        "--accept-change {}: not needed, the checkpoint was saved with the same value", key));
  return lines;
}

}  // namespace swallow
