#include "checkpoint/hugging_face_config.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "base/check.h"
#include "checkpoint/strict_json.h"
#include "config/fields.h"
#include "config/value_text.h"

namespace swallow {

namespace {

/// Fields that say nothing about what the weights compute.
constexpr std::array<std::string_view, 33> kHarmless = {
    "_name_or_path",
    "transformers_version",
    "torch_dtype",
    "dtype",
    "use_cache",
    "initializer_range",
    "pad_token_id",
    "unk_token_id",
    "pretraining_tp",
    "output_attentions",
    "output_hidden_states",
    "return_dict",
    "is_encoder_decoder",
    "is_decoder",
    "id2label",
    "label2id",
    "problem_type",
    "finetuning_task",
    "tokenizer_class",
    "prefix",
    "task_specific_params",
    "chunk_size_feed_forward",
    "torchscript",
    "decoder_start_token_id",
    "do_sample",
    "max_length",
    "temperature",
    "top_p",
    "top_k",
    "repetition_penalty",
    "_attn_implementation",
    "_attn_implementation_autoset",
    "use_bfloat16",
};

/// A field must be absent, null, or one of the values; nothing else is computed here.
struct Required {
  std::string_view key;
  std::string_view accepts;  // JSON texts, with bars between
};

constexpr std::array kRequired = {
    Required{"attention_bias", "false"},
    Required{"mlp_bias", "false"},
    Required{"tie_word_embeddings", "false"},
    Required{"hidden_act", "\"silu\""},
    Required{"attention_dropout", "0|0.0"},
    Required{"sliding_window", ""},
    Required{"use_sliding_window", "false"},
    Required{"layer_types", ""},
    Required{"partial_rotary_factor", "1|1.0"},
    Required{"quantization_config", ""},
    Required{"rope_scaling", ""},
    Required{"cross_attention_hidden_size", ""},
    Required{"add_cross_attention", "false"},
    Required{"pruned_heads", "{}"},
    Required{"auto_map", ""},
};

/// The fields of one object; what nobody has taken is left at the end.
class Fields {
 public:
  Fields(const nlohmann::json& object, std::string where)
      : object_(object), where_(std::move(where)) {
    if (!object.is_object()) throw CheckpointError("{}: expected a JSON object", where_);
    for (const auto& [key, value] : object.items()) left_.insert(key);
  }

  /// nullptr when it is absent or null.
  const nlohmann::json* take(std::string_view key) {
    left_.erase(std::string(key));
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  int64_t integer(std::string_view key, std::optional<int64_t> absent, int64_t most) {
    const nlohmann::json* value = take(key);
    if (value == nullptr && absent) return *absent;
    if (value == nullptr) refuse(key, "absent", fmt::format("1 to {}", most));
    if (!value->is_number_unsigned() || value->get<uint64_t>() < 1 ||
        value->get<uint64_t>() > static_cast<uint64_t>(most))
      refuse(key, *value, fmt::format("an integer from 1 to {}", most));
    return value->get<int64_t>();
  }
  double real(std::string_view key, double absent) {
    const nlohmann::json* value = take(key);
    if (value == nullptr) return absent;
    if (!value->is_number() || value->get<double>() <= 0) refuse(key, *value, "a number above 0");
    return value->get<double>();
  }
  void require(const Required& rule) {
    const nlohmann::json* value = take(rule.key);
    if (value == nullptr) return;
    const std::string accepts = fmt::format("|{}|", rule.accepts);
    if (rule.accepts.empty() || accepts.find("|" + value->dump() + "|") == std::string::npos)
      refuse(rule.key, *value,
             rule.accepts.empty() ? "null or absent; Llama 2 has none"
                                  : fmt::format("{}; nothing else is computed here", rule.accepts));
  }
  [[nodiscard]] const std::set<std::string>& left() const { return left_; }

  template <class Found>
  [[noreturn]] void refuse(std::string_view key, const Found& found,
                           std::string_view expected) const {
    std::string text;
    if constexpr (std::is_same_v<Found, nlohmann::json>)
      text = found.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    else
      text = found;
    if (text.size() > 100) text = text.substr(0, 100) + " ...";
    throw CheckpointError("{}: field \"{}\" is {}; expected {}", where_, key, text, expected);
  }

 private:
  const nlohmann::json& object_;
  std::string where_;
  std::set<std::string> left_;
};

/// theta, from the field of transformers 4 or the object of transformers 5.
double rotary_base(Fields& fields, const std::string& file) {
  const double theta = fields.real("rope_theta", 0);
  const nlohmann::json* parameters = fields.take("rope_parameters");
  if (parameters == nullptr) return theta > 0 ? theta : 10000.0;
  Fields rope(*parameters, file + ": rope_parameters");
  rope.require({"rope_type", "\"default\""});
  rope.require({"type", "\"default\""});
  rope.require({"partial_rotary_factor", "1|1.0"});
  const double inner = rope.real("rope_theta", theta > 0 ? theta : 10000.0);
  if (!rope.left().empty())
    throw CheckpointError("{}: rope_parameters: field {}; expected rope_theta and rope_type", file,
                          in_quotes(*rope.left().begin()));
  if (theta > 0 && inner != theta)
    throw CheckpointError("{}: rope_theta is {}, in rope_parameters {}; expected one value", file,
                          theta, inner);
  return inner;
}

std::optional<int64_t> token_id(Fields& fields, std::string_view key) {
  const nlohmann::json* value = fields.take(key);
  if (value != nullptr && value->is_array() && !value->empty()) value = &value->front();
  if (value == nullptr || !value->is_number_unsigned()) return std::nullopt;
  return value->get<int64_t>();
}

void require_llama(Fields& fields) {
  const nlohmann::json* architectures = fields.take("architectures");
  if (architectures == nullptr || *architectures != nlohmann::json{"LlamaForCausalLM"})
    fields.refuse("architectures", architectures == nullptr ? nlohmann::json() : *architectures,
                  "[\"LlamaForCausalLM\"]");
  const nlohmann::json* type = fields.take("model_type");
  if (type == nullptr || *type != "llama")
    fields.refuse("model_type", type == nullptr ? nlohmann::json() : *type, "\"llama\"");
  for (const Required& rule : kRequired) fields.require(rule);
}

}  // namespace

HuggingFaceConfig parse_hugging_face_config(std::span<const std::byte> text,
                                            const std::string& file) {
  const nlohmann::json json = parse_strict_json(text, file, 0);
  Fields fields(json, file);
  require_llama(fields);
  HuggingFaceConfig config;
  ModelConfig& model = config.model;
  // Without these the defaults are those of transformers' LlamaConfig.
  model.rotary_base = rotary_base(fields, file);
  model.norm_epsilon = fields.real("rms_norm_eps", 1e-6);
  model.seq_length = fields.integer("max_position_embeddings", 2048, 1 << 24);
  model.num_layers = fields.integer("num_hidden_layers", std::nullopt, 10'000);
  model.hidden_size = fields.integer("hidden_size", std::nullopt, 1 << 20);
  model.ffn_hidden_size = fields.integer("intermediate_size", std::nullopt, 1 << 22);
  model.num_attention_heads = fields.integer("num_attention_heads", std::nullopt, 1 << 16);
  model.num_query_groups =
      fields.integer("num_key_value_heads", model.num_attention_heads, 1 << 16);
  model.vocab_size = fields.integer("vocab_size", std::nullopt, 1 << 24);
  model.make_vocab_size_divisible_by = 1;
  const int64_t head_dim = fields.integer("head_dim", 0, 1 << 20);
  if (head_dim != 0 && head_dim * model.num_attention_heads != model.hidden_size)
    fields.refuse("head_dim", std::to_string(head_dim),
                  fmt::format("hidden_size {} / num_attention_heads {}", model.hidden_size,
                              model.num_attention_heads));
  config.bos_token_id = token_id(fields, "bos_token_id");
  config.eos_token_id = token_id(fields, "eos_token_id");
  for (const std::string& key : fields.left())
    if (std::ranges::find(kHarmless, key) == kHarmless.end() && !json.at(key).is_null())
      config.notices.push_back(
          fmt::format("{}: field {} is not known here and has no effect", file, in_quotes(key)));
  return config;
}

void require_same_model(const ModelConfig& run, const ModelConfig& folder,
                        const std::string& folder_path) {
  ModelConfig expected = folder;
  if (run.num_query_groups == 0 && folder.num_query_groups == run.num_attention_heads)
    expected.num_query_groups = 0;
  // These are the run's own choice.
  expected.make_vocab_size_divisible_by = run.make_vocab_size_divisible_by;
  expected.init_method_std = run.init_method_std;
  expected.seq_length = std::min(run.seq_length, folder.seq_length);
  std::vector<std::pair<std::string, std::string>> theirs;
  const auto list = [&](const auto& member, const FieldInfo& info) {
    theirs.emplace_back(flag_of(info.key), text_of(member));
  };
  visit_model_fields(expected, list);
  std::string differences;
  size_t next = 0;
  const auto compare = [&](const auto& member, const FieldInfo&) {
    const auto& [flag, text] = theirs[next++];
    if (text_of(member) != text)
      differences += fmt::format("\n  {} {}: the folder has {}", flag, text_of(member), text);
  };
  visit_model_fields(run, compare);
  if (!differences.empty())
    throw CheckpointError("--load {}: config.json is of another model; expected equal values:{}",
                          folder_path, differences);
}

std::string hugging_face_config_text(const HuggingFaceConfig& config, std::string_view dtype) {
  const ModelConfig& m = config.model;
  const nlohmann::ordered_json json{
      {"architectures", {"LlamaForCausalLM"}},
      {"attention_bias", false},
      {"attention_dropout", 0.0},
      {"bos_token_id", config.bos_token_id.value_or(1)},
      {"eos_token_id", config.eos_token_id.value_or(2)},
      {"hidden_act", "silu"},
      {"hidden_size", m.hidden_size},
      {"initializer_range", m.init_method_std},
      {"intermediate_size", m.ffn_hidden_size},
      {"max_position_embeddings", m.seq_length},
      {"mlp_bias", false},
      {"model_type", "llama"},
      {"num_attention_heads", m.num_attention_heads},
      {"num_hidden_layers", m.num_layers},
      {"num_key_value_heads", m.num_query_groups == 0 ? m.num_attention_heads : m.num_query_groups},
      {"pretraining_tp", 1},
      {"rms_norm_eps", m.norm_epsilon},
      {"rope_scaling", nullptr},
      {"rope_theta", m.rotary_base},
      {"tie_word_embeddings", false},
      {"torch_dtype", dtype},
      {"use_cache", true},
      {"vocab_size", m.vocab_size},
  };
  return json.dump(2) + "\n";
}

std::string generation_config_text(const HuggingFaceConfig& config) {
  const nlohmann::ordered_json json{{"_from_model_config", true},
                                    {"bos_token_id", config.bos_token_id.value_or(1)},
                                    {"eos_token_id", config.eos_token_id.value_or(2)}};
  return json.dump(2) + "\n";
}

}  // namespace swallow
