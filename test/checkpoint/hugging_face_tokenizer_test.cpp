// Built only where SentencePiece and its trainer are, as preprocess_test.cpp.
#include "checkpoint/hugging_face_tokenizer.h"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <random>
#include <unordered_map>

#include "base/check.h"
#include "checkpoint/extended_vocabulary.h"
#include "checkpoint/hugging_face_export.h"
#include "checkpoint/saved_model.h"
#include "checkpoint/tiny_folder.h"

using namespace swallow;
using namespace swallow::test;

namespace fs = std::filesystem;

namespace {

using Settings = std::unordered_map<std::string, std::string>;

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A model as Llama 2's, but small.
void train_model(const ScratchFolder& scratch, const std::string& path, const Settings& more = {}) {
  std::ofstream corpus(scratch / "corpus.txt");
  for (int i = 0; i < 600; ++i)
    corpus << (i % 2 == 0 ? "the  swallow returns in spring 2024, over the sea\n"
                          : "燕は春に戻る、海を越えて　十年\n")
           << std::string(static_cast<size_t>(i % 9), ' ') << i * i << "\n";
  corpus.close();
  Settings settings = {{"input", scratch / "corpus.txt"},
                       {"model_prefix", path},
                       {"vocab_size", "400"},
                       {"model_type", "bpe"},
                       {"byte_fallback", "true"},
                       {"normalization_rule_name", "identity"},
                       {"remove_extra_whitespaces", "false"},
                       {"allow_whitespace_only_pieces", "true"},
                       {"split_digits", "true"},
                       {"hard_vocab_limit", "false"},
                       {"minloglevel", "3"}};
  for (const auto& [key, value] : more) settings[key] = value;
  const auto status = sentencepiece::SentencePieceTrainer::Train(settings);
  REQUIRE(status.ok());
  fs::rename(path + ".model", path);
}

/// Plays tokenizer.json as its format is described: the simplest program that can.
class Player {
 public:
  explicit Player(const std::string& text) : json_(nlohmann::json::parse(text)) {
    int rank = 0;
    for (const std::string merge : json_["model"]["merges"]) rank_[merge] = rank++;
    REQUIRE(json_["pre_tokenizer"].is_null());
    REQUIRE(json_["model"]["type"] == "BPE");
  }

  [[nodiscard]] std::vector<int> encode(std::string text) const {
    for (const auto& step : json_["normalizer"]["normalizers"]) text = normalized(step, text);
    std::vector<std::string> symbols = split(text);
    while (merge_one(symbols)) {
    }
    std::vector<int> ids;
    for (const auto& part : json_["post_processor"]["single"]) {
      if (part.contains("SpecialToken")) {
        const std::string name = part["SpecialToken"]["id"];
        ids.push_back(json_["post_processor"]["special_tokens"][name]["ids"][0]);
      } else {
        for (const std::string& symbol : symbols) ids.push_back(json_["model"]["vocab"][symbol]);
      }
    }
    return ids;
  }

 private:
  static std::string normalized(const nlohmann::json& step, const std::string& text) {
    if (step["type"] == "Prepend")
      return text.empty() ? text : step["prepend"].get<std::string>() + text;
    REQUIRE(step["type"] == "Replace");
    REQUIRE(step["pattern"]["String"] == " ");
    std::string result;
    for (const char byte : text)
      result += byte == ' ' ? step["content"].get<std::string>() : std::string(1, byte);
    return result;
  }
  [[nodiscard]] std::vector<std::string> split(const std::string& text) const {
    std::vector<std::string> characters;
    for (const char byte : text) {
      if ((static_cast<uint8_t>(byte) & 0xc0U) != 0x80U) characters.emplace_back();
      characters.back() += byte;
    }
    std::vector<std::string> symbols;
    for (const std::string& character : characters) {
      if (json_["model"]["vocab"].contains(character)) {
        symbols.push_back(character);
        continue;
      }
      for (const char byte : character)
        symbols.push_back(fmt::format("<0x{:02X}>", static_cast<uint8_t>(byte)));
    }
    return symbols;
  }
  bool merge_one(std::vector<std::string>& symbols) const {
    int best = std::numeric_limits<int>::max();
    size_t at = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = rank_.find(symbols[i] + " " + symbols[i + 1]);
      if (found == rank_.end() || found->second >= best) continue;
      best = found->second;
      at = i;
    }
    if (best == std::numeric_limits<int>::max()) return false;
    symbols[at] += symbols[at + 1];
    symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(at) + 1);
    return true;
  }

  nlohmann::json json_;
  std::unordered_map<std::string, int> rank_;
};

std::string random_text(std::mt19937& random) {
  static const std::vector<std::string> parts = {
      " ",  "  ", "\n",   "\t", "the",  "sea", "swal",   "low",  "spring",
      "x",  "2",  "2024", ",",  "燕は", "春",  "に戻る", "海を", "、",
      "鳥", "　", "é",    "🐦",  "s",    "er",  "▁",      "\r\n"};
  std::string text;
  for (size_t n = random() % 12; n > 0; --n) text += parts[random() % parts.size()];
  return text;
}

}  // namespace

TEST_CASE("tokenizer.json gives the tokens of SentencePiece behind <s>", "[checkpoint]") {
  const ScratchFolder scratch;
  const Settings named = {{"bos_piece", "[B]"}, {"eos_piece", "[E]"}, {"unk_piece", "[U]"},
                          {"bos_id", "2"},      {"eos_id", "0"},      {"unk_id", "1"}};
  for (const Settings& settings :
       {Settings{}, Settings{{"add_dummy_prefix", "false"}}, named, Settings{{"bos_id", "-1"}}}) {
    const std::string path = scratch / "m.model";
    train_model(scratch, path, settings);
    sentencepiece::SentencePieceProcessor processor;
    REQUIRE(processor.Load(path).ok());
    const auto files = hugging_face_tokenizer(path, 64);
    REQUIRE(files);
    const Player player(files->tokenizer);
    std::mt19937 random(7);
    for (int i = 0; i < 300; ++i) {
      const std::string text = random_text(random);
      INFO("seed 7, text " << i << ": \"" << text << "\"");
      std::vector<int> want;
      REQUIRE(processor.Encode(text, &want).ok());
      if (processor.bos_id() >= 0) want.insert(want.begin(), processor.bos_id());
      REQUIRE(player.encode(text) == want);
    }
    const auto config = nlohmann::json::parse(files->config);
    const bool has_bos = processor.bos_id() >= 0;
    CHECK(config["add_bos_token"] == has_bos);
    CHECK(config["bos_token"] ==
          (has_bos ? nlohmann::json(processor.IdToPiece(processor.bos_id())) : nlohmann::json()));
    CHECK(config["eos_token"] == processor.IdToPiece(processor.eos_id()));
    CHECK(config["unk_token"] == processor.IdToPiece(processor.unk_id()));
    CHECK(config["add_eos_token"] == false);
    CHECK(config["model_max_length"] == 64);
  }
}

TEST_CASE("no tokenizer.json is made of a model that it could not stand for", "[checkpoint]") {
  const ScratchFolder scratch;
  const std::string path = scratch / "m.model";
  for (const Settings& settings :
       {Settings{{"model_type", "unigram"}, {"vocab_size", "320"}},
        Settings{{"byte_fallback", "0"}}, Settings{{"normalization_rule_name", "nmt_nfkc"}},
        Settings{{"remove_extra_whitespaces", "true"}},
        Settings{{"user_defined_symbols", "swal"}}}) {
    train_model(scratch, path, settings);
    CHECK_FALSE(hugging_face_tokenizer(path, 64));
  }
}

TEST_CASE("an export completes the tokenizer's files and changes none", "[checkpoint]") {
  const ScratchFolder scratch;
  write_tiny_folder(scratch / "in");
  const SavedModel model(scratch / "in");
  VocabularyExtension extension{.init = RowInit::mean};
  extension.pieces.resize(400);  // more rows than the tokenizer has pieces
  const ExtendedVocabulary source(model.weights_as(NumberType::bf16), extension);
  HuggingFaceConfig config = model.config();
  config.model.vocab_size += 400;
  config.model.seq_length = 64;
  fs::create_directory(scratch / "given");
  const std::string path = scratch / "given/any-name.model";
  train_model(scratch, path);
  const auto files = hugging_face_tokenizer(path, 64);
  const auto export_to = [&](const std::string& output) {
    return write_hugging_face(source, config, {.output = output, .tokenizer_model = path});
  };
  ExportResult result = export_to(scratch / "made");
  CHECK(result.tokenizer_files == 3);
  CHECK(result.notice.empty());
  CHECK(bytes_of(scratch / "made/tokenizer.model") == bytes_of(path));
  CHECK(bytes_of(scratch / "made/tokenizer.json") == files->tokenizer);
  CHECK(bytes_of(scratch / "made/tokenizer_config.json") == files->config);

  std::ofstream(scratch / "given/tokenizer.json") << "their own\n";
  CHECK(export_to(scratch / "one").tokenizer_files == 3);
  CHECK(bytes_of(scratch / "one/tokenizer.json") == "their own\n");
  CHECK(bytes_of(scratch / "one/tokenizer_config.json") == files->config);

  std::ofstream(scratch / "given/tokenizer_config.json") << "{ }";
  fs::remove(scratch / "given/tokenizer.json");
  CHECK(export_to(scratch / "two").tokenizer_files == 2);
  CHECK(bytes_of(scratch / "two/tokenizer_config.json") == "{ }");
  CHECK_FALSE(fs::exists(scratch / "two/tokenizer.json"));  // may not suit their configuration

  fs::remove(scratch / "given/tokenizer_config.json");
  train_model(scratch, path, {{"normalization_rule_name", "nmt_nfkc"}});
  result = export_to(scratch / "three");
  CHECK(result.tokenizer_files == 1);
  CHECK_THAT(result.notice,
             Catch::Contains("any-name.model") && Catch::Contains("tokenizer_config.json"));
}
