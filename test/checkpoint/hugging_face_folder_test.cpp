#include "checkpoint/hugging_face_folder.h"

#include <catch2/catch.hpp>

#include "checkpoint/tiny_folder.h"

using namespace swallow;
using namespace swallow::test;

namespace fs = std::filesystem;

namespace {

std::string refusal(const std::string& folder) {
  try {
    const HuggingFaceFolder opened(folder);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::string config_refusal(const nlohmann::json& config) {
  const std::string text = config.dump();
  try {
    parse_hugging_face_config(std::as_bytes(std::span(text)), "config.json");
    return "";
  } catch (const CheckpointError& error) {
    return error.what();
  }
}

std::string index_refusal(const std::string& text) {
  try {
    parse_hugging_face_index(std::as_bytes(std::span(text)), "index");
    return "";
  } catch (const CheckpointError& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("config.json is read in the spellings of transformers 4 and 5", "[unit][checkpoint]") {
  nlohmann::json four = tiny_folder_config();
  four["rope_theta"] = 500000.0;
  nlohmann::json five = four;
  five.erase("rope_theta");
  five.erase("torch_dtype");
  five.erase("rope_scaling");
  five["dtype"] = "bfloat16";
  five["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 500000.0}};
  five["head_dim"] = 4;
  for (const nlohmann::json& config : {four, five}) {
    const std::string text = config.dump();
    const auto parsed = parse_hugging_face_config(std::as_bytes(std::span(text)), "config.json");
    ModelConfig expected = tiny_model_config();
    expected.rotary_base = 500000.0;
    CHECK_NOTHROW(require_same_model(expected, parsed.model, "f"));
    CHECK(parsed.model.seq_length == 256);
    CHECK(parsed.bos_token_id == 1);
    CHECK(parsed.eos_token_id == 2);
    CHECK(parsed.notices.empty());
  }
}

TEST_CASE("what is absent from config.json has the defaults of transformers",
          "[unit][checkpoint]") {
  nlohmann::json config = tiny_folder_config();
  for (const char* key : {"rms_norm_eps", "rope_theta", "num_key_value_heads", "hidden_act",
                          "max_position_embeddings", "tie_word_embeddings"})
    config.erase(key);
  config["some_new_field"] = 7;
  const std::string text = config.dump();
  const auto parsed = parse_hugging_face_config(std::as_bytes(std::span(text)), "config.json");
  CHECK(parsed.model.norm_epsilon == 1e-6);
  CHECK(parsed.model.rotary_base == 10000.0);
  CHECK(parsed.model.num_query_groups == 4);
  CHECK(parsed.model.seq_length == 2048);
  REQUIRE(parsed.notices.size() == 1);
  CHECK_THAT(parsed.notices[0], Catch::Contains("some_new_field"));
}

TEST_CASE("a model that is not a Llama 2 is refused by the field that says so",
          "[unit][checkpoint]") {
  const std::pair<const char*, nlohmann::json> changes[] = {
      {"architectures", {"MistralForCausalLM"}},
      {"architectures", {"LlamaModel"}},
      {"architectures", nullptr},
      {"model_type", "mistral"},
      {"rope_scaling", {{"rope_type", "llama3"}, {"factor", 8.0}}},
      {"rope_scaling", {{"type", "linear"}, {"factor", 2.0}}},
      {"rope_parameters", {{"rope_type", "yarn"}, {"rope_theta", 10000.0}}},
      {"rope_parameters", {{"rope_type", "default"}, {"factor", 2.0}}},
      {"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 20000.0}}},
      {"attention_bias", true},
      {"mlp_bias", true},
      {"tie_word_embeddings", true},
      {"hidden_act", "gelu"},
      {"attention_dropout", 0.1},
      {"sliding_window", 4096},
      {"use_sliding_window", true},
      {"head_dim", 8},
      {"partial_rotary_factor", 0.5},
      {"quantization_config", {{"bits", 4}}},
      {"auto_map", {{"AutoModel", "code.Model"}}},
      {"hidden_size", 0},
      {"hidden_size", -16},
      {"hidden_size", 16.5},
      {"hidden_size", "16"},
      {"num_hidden_layers", nullptr},
      {"vocab_size", 1e30},
      {"rms_norm_eps", 0.0},
  };
  REQUIRE(config_refusal(tiny_folder_config()) == "");
  for (const auto& [key, value] : changes) {
    nlohmann::json config = tiny_folder_config();
    config[key] = value;
    INFO(key << " " << value);
    CHECK_THAT(config_refusal(config), Catch::Contains(key) && Catch::Contains("expected"));
  }
  CHECK_THAT(config_refusal(3), Catch::Contains("expected a JSON object"));
}

TEST_CASE("a folder of another model is refused flag by flag", "[unit][checkpoint]") {
  const ModelConfig folder = tiny_model_config();
  ModelConfig run = folder;
  run.seq_length = 100;
  run.make_vocab_size_divisible_by = 64;
  run.init_method_std = 1;
  CHECK_NOTHROW(require_same_model(run, folder, "f"));
  run.seq_length = 300;
  run.ffn_hidden_size = 32;
  run.num_query_groups = 0;
  run.norm_epsilon = 1e-6;
  CHECK_THROWS_WITH(require_same_model(run, folder, "f"),
                    Catch::Contains("--load f") &&
                        Catch::Contains("--seq-length 300: the folder has 256") &&
                        Catch::Contains("--ffn-hidden-size 32: the folder has 24") &&
                        Catch::Contains("--num-query-groups 0: the folder has 2") &&
                        Catch::Contains("--norm-epsilon 1e-06: the folder has 1e-05"));
}

TEST_CASE("an index names plain files inside the folder", "[unit][checkpoint]") {
  CHECK(index_refusal(R"({"metadata":{"total_size":1},"weight_map":{"a":"b.safetensors"}})") == "");
  CHECK(index_refusal(R"({"weight_map":{"a":"b"}})") == "");
  for (const char* name : {"", ".", "..", "../b", "/b", "a/b", "a\\\\b", ".hidden", "a\\u0000b"}) {
    const std::string text = fmt::format(R"({{"weight_map":{{"a":"{}"}}}})", name);
    INFO(text);
    CHECK_THAT(index_refusal(text), Catch::Contains("plain name"));
  }
  for (const char* text :
       {"", "[]", "{}", R"({"weight_map":{}})", R"({"weight_map":[]})", R"({"weight_map":{"a":1}})",
        R"({"weight_map":{"a":"b","a":"c"}})", R"({"weight_map":{"":"b"}})",
        R"({"weight_map":{"a":"b"},"more":1})", R"({"weight_map":{"a":"b"},"metadata":1})"})
    CHECK(index_refusal(text) != "");
}

TEST_CASE("an index and its files must agree both ways", "[checkpoint]") {
  const ScratchFolder scratch;
  const std::string folder = scratch / "f";
  write_tiny_folder(folder, {.shards = 3});
  REQUIRE(refusal(folder) == "");
  const std::string index_path = folder + "/" + std::string(kIndexFile);
  nlohmann::json index;
  std::ifstream(index_path) >> index;

  nlohmann::json changed = index;
  changed["weight_map"]["model.norm.weight"] = index["weight_map"]["lm_head.weight"];
  write_json(index_path, changed);
  CHECK_THAT(refusal(folder), Catch::Contains("model.norm.weight") && Catch::Contains("lists in"));

  changed = index;
  changed["weight_map"].erase("model.norm.weight");
  write_json(index_path, changed);
  CHECK_THAT(refusal(folder),
             Catch::Contains("model.norm.weight") && Catch::Contains("does not list"));

  changed = index;
  changed["weight_map"]["more"] = index["weight_map"]["lm_head.weight"];
  write_json(index_path, changed);
  CHECK_THAT(refusal(folder), Catch::Contains("more") && Catch::Contains("does not hold it"));

  changed = index;
  changed["weight_map"]["more"] = "absent.safetensors";
  write_json(index_path, changed);
  CHECK_THAT(refusal(folder), Catch::Contains("absent.safetensors: cannot open"));

  changed = index;
  changed["metadata"]["total_size"] = 5;
  write_json(index_path, changed);
  const HuggingFaceFolder opened(folder);
  REQUIRE(opened.notices().size() == 1);
  CHECK_THAT(opened.notices()[0], Catch::Contains("total_size says 5 bytes"));
}

TEST_CASE("a folder holds the tensors of its config, no fewer, no others", "[checkpoint]") {
  const ScratchFolder scratch;
  write_tiny_folder(scratch / "less", {.without = "lm_head.weight"});
  CHECK_THAT(refusal(scratch / "less"), Catch::Contains("\"lm_head.weight\" [37, 16] is missing"));
  const std::string bias = "model.layers.0.self_attn.q_proj.bias";
  write_tiny_folder(scratch / "more", {.extra = {{bias, {16}}}});
  CHECK_THAT(refusal(scratch / "more"), Catch::Contains(bias));
  TinyFolder other;
  other.config["intermediate_size"] = 25;
  write_tiny_folder(scratch / "shape", other);
  CHECK_THAT(refusal(scratch / "shape"), Catch::Contains("shape [24, 16]; expected [25, 16] by"));
  write_tiny_folder(scratch / "wide", {.type = NumberType::f64});
  CHECK_THAT(refusal(scratch / "wide"), Catch::Contains("type F64; expected BF16, F16 or F32"));
  // What older versions saved although it follows from the config.
  write_tiny_folder(scratch / "old",
                    {.extra = {{"model.layers.0.self_attn.rotary_emb.inv_freq", {2}},
                               {"model.layers.1.self_attn.rotary_emb.inv_freq", {2}}}});
  const HuggingFaceFolder old(scratch / "old");
  REQUIRE(old.notices().size() == 1);
  CHECK_THAT(old.notices()[0], Catch::Contains("2 tensors") && Catch::Contains("inv_freq"));
  CHECK(old.tensors().size() == 21);
}

TEST_CASE("the files of a folder may be links, as in the Hugging Face cache", "[checkpoint]") {
  const ScratchFolder scratch;
  write_tiny_folder(scratch / "blobs", {.shards = 2});
  fs::create_directory(scratch / "snapshot");
  for (const auto& entry : fs::directory_iterator(scratch / "blobs"))
    fs::create_symlink(entry.path(), scratch.path() / "snapshot" / entry.path().filename());
  CHECK(is_hugging_face_folder(scratch / "snapshot"));
  CHECK(refusal(scratch / "snapshot") == "");
}

TEST_CASE("a folder without safetensors, or with two sets, is refused", "[checkpoint]") {
  const ScratchFolder scratch;
  for (const char* name :
       {"pytorch_model.bin", "pytorch_model.bin.index.json", "consolidated.00.pth"}) {
    const std::string folder = scratch / std::string(name);
    fs::create_directory(folder);
    write_json(folder + "/config.json", tiny_folder_config());
    CHECK_FALSE(is_hugging_face_folder(folder));
    std::ofstream(folder + "/" + name) << "x";
    CHECK(is_hugging_face_folder(folder));
    CHECK_THAT(refusal(folder), Catch::Contains("never read"));
  }
  write_tiny_folder(scratch / "both", {.shards = 2});
  write_tiny_shard(scratch / "both/model.safetensors", {}, NumberType::f32);
  CHECK_THAT(refusal(scratch / "both"), Catch::Contains("expected one of them"));
  write_tiny_folder(scratch / "bare");
  fs::remove(scratch / "bare/config.json");
  CHECK_THAT(refusal(scratch / "bare"), Catch::Contains("config.json: cannot open"));
}
