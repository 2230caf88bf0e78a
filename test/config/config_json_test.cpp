#include "config/config_json.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "config/enum_names.h"
#include "config/fields.h"

using namespace swallow;

namespace {

std::string refusal(const std::string& text) {
  try {
    config_from_json(text, "x.json");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

bool mentions(const std::string& message, const std::string& part) {
  return message.find(part) != std::string::npos;
}

/// Changes each value to one that differs from the built-in one and is in range.
void disturb(RunConfig& config) {
  visit_fields(config, [](auto& member, const FieldInfo& info) {
    using T = std::remove_cvref_t<decltype(member)>;
    if constexpr (std::is_same_v<T, bool>)
      member = !member;
    else if constexpr (std::is_same_v<T, int64_t>)
      member += 1;
    else if constexpr (std::is_same_v<T, double>)
      member = member / 3.0 + 0.1;
    else if constexpr (std::is_same_v<T, std::string>)
      member = fmt::format("{} \"\\ 日本語", info.key);
    else if constexpr (std::is_same_v<T, std::vector<std::string>>)
      member = {"0.5", std::string(info.key)};
    else
      member = EnumNames<T>::table.back().first;
  });
  config.preset = std::string("x");
}

}  // namespace

TEST_CASE("a configuration survives JSON bit for bit, every option of it", "[unit][config]") {
  RunConfig config;
  disturb(config);
  const std::string text = config_json(config);
  const RunConfig back = config_from_json(text, "x.json");
  CHECK(config_json(back) == text);
  CHECK(back.preset == "x");
  CHECK(back.optimizer.lr == config.optimizer.lr);
  CHECK(back.data.data_path == config.data.data_path);
  CHECK(back.log.log_format == LogFormat::megatron);

  const auto built_in = nlohmann::json::parse(config_json(RunConfig{}));
  const auto changed = nlohmann::json::parse(text);
  CHECK(built_in.size() == changed.size());
  for (const auto& [key, value] : built_in.items()) {
    CAPTURE(key);
    CHECK(changed[key] != value);  // so none of them was lost on the way
  }
}

TEST_CASE("JSON sets only the keys it names", "[unit][config]") {
  RunConfig config;
  config.optimizer.lr = 0.5;
  const auto keys = apply_json(R"({"description": "d", "hidden_size": 128})", "x.json", config);
  CHECK(keys == std::vector<std::string>{"hidden_size"});
  CHECK(config.model.hidden_size == 128);
  CHECK(config.optimizer.lr == 0.5);
}

TEST_CASE("JSON of the wrong type or range is refused by key", "[unit][config]") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"hidden_size": "64"})", "hidden_size = \"64\""},
      {R"({"hidden_size": 64.0})", "hidden_size = 64.0"},
      {R"({"hidden_size": true})", "hidden_size = true"},
      {R"({"hidden_size": null})", "hidden_size = null"},
      {R"({"hidden_size": [64]})", "hidden_size = array"},
      {R"({"hidden_size": 1})", "hidden_size = 1"},
      {R"({"hidden_size": 18446744073709551615})", "18446744073709551615"},
      {R"({"hidden_size": 18446744073709551616})", "hidden_size = 1.8446744073709552e+19"},
      {R"({"lr": "1e-4"})", "lr = \"1e-4\""},
      {R"({"lr": -1})", "lr = -1"},
      {R"({"lr": 1e999})", "not valid JSON"},
      {R"({"lr": NaN})", "not valid JSON"},
      {R"({"sequence_parallel": 1})", "sequence_parallel = 1: expected true or false"},
      {R"({"params_dtype": "fp16"})", "bf16|fp32|fp64"},
      {R"({"data_path": "a"})", "data_path = \"a\""},
      {R"({"data_path": ["a", 1]})", "data_path = 1"},
      {R"({"save": "a\u0000b"})", "save = a\\x00b"},
      {R"({"description": 3})", "description = 3"},
      {R"([1])", "expected a JSON object"},
      {R"({"lr": 1} x)", "not valid JSON"},
      {"", "not valid JSON"},
      {"{\"save\": \"\xff\"}", "not valid JSON"},
  };
  for (const auto& [text, part] : cases) {
    const std::string message = refusal(text);
    CAPTURE(text, message);
    CHECK(mentions(message, "x.json"));
    CHECK(mentions(message, part));
  }
}

TEST_CASE("unknown and repeated keys are refused", "[unit][config]") {
  CHECK(mentions(refusal(R"({"hiden_size": 64})"), "\"hiden_size\"; did you mean hidden_size?"));
  CHECK(mentions(refusal(R"({"data_parallel_size": 4})"), "unknown key \"data_parallel_size\""));
  CHECK(mentions(refusal(R"({"lr": 1, "lr": 2})"), "\"lr\" is given twice"));
  CHECK(mentions(refusal(R"({"a": {"b": 1, "b": 2}})"), "\"b\" is given twice"));
}

TEST_CASE("oversized and deep JSON is refused without being built", "[unit][config]") {
  CHECK(mentions(refusal(std::string(kMaxConfigBytes + 1, ' ')), "1048577 bytes"));
  CHECK(mentions(refusal(std::string(100'000, '[')), "nested deeper than 64"));
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  CHECK(mentions(refusal(deep), "nested deeper than 64"));
}
