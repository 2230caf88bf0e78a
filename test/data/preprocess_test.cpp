// Built only where SentencePiece and its trainer are (CMakeLists.txt says so when they are not).
#include "data/preprocess.h"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <catch2/catch.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <unordered_map>

#include "base/check.h"
#include "commands/preprocess.h"
#include "data/document_encoder.h"
#include "data/fixtures.h"
#include "data/gzip_text.h"
#include "data/tokenizer_model.h"

using swallow::DataError;
using swallow::preprocess;
using swallow::PreprocessOptions;
using swallow::PreprocessResult;
using swallow::test::message_of;
using swallow::test::read_file;
using swallow::test::TemporaryFolder;
using swallow::test::write_file;

namespace {

/// A sentence that repeats few words, in two scripts.
std::string sentence(int i) {
  const std::vector<std::string> words = {"the swallow", "returns", "in spring",    "燕は",
                                          "春に",        "戻る",    "over the sea", "海を越えて"};
  std::string text;
  for (int j = 0; j < 3 + i % 9; ++j) {
    text += words[static_cast<size_t>((i * 7 + j * j * 3) % 8)] + (j % 2 == 0 ? " " : "、");
  }
  return text;
}

/// A folder with a tokenizer of 300 pieces trained on sentence().
class World {
 public:
  explicit World(const std::map<std::string, std::string>& more = {}) {
    std::string text;
    for (int i = 0; i < 400; ++i) text += sentence(i) + "\n";
    write_file(folder / "corpus.txt", text);
    std::unordered_map<std::string, std::string> settings = {{"input", folder / "corpus.txt"},
                                                             {"model_prefix", folder / "m"},
                                                             {"vocab_size", "330"},
                                                             {"model_type", "bpe"},
                                                             {"byte_fallback", "true"},
                                                             {"hard_vocab_limit", "false"},
                                                             {"minloglevel", "3"}};
    for (const auto& [key, value] : more) settings[key] = value;
    const auto status = sentencepiece::SentencePieceTrainer::Train(settings);
    if (!status.ok()) throw std::runtime_error(status.ToString());
    if (!processor.Load(folder / "m.model").ok()) throw std::runtime_error("load");
    options.inputs = {folder / "in.jsonl"};
    options.output_prefix = folder / "out";
    options.tokenizer_model = folder / "m.model";
    options.existing = swallow::Existing::replace;
  }

  void input(const std::string& text) const { write_file(folder / "in.jsonl", text); }
  /// Ids by the library itself.
  [[nodiscard]] std::vector<int32_t> ids(const std::string& text) const {
    std::vector<int> ids;
    if (!processor.Encode(text, &ids).ok()) throw std::runtime_error("encode");
    return ids;
  }
  /// A document of `text` as it must be stored without EOS.
  [[nodiscard]] std::vector<int32_t> stored(const std::string& text) const {
    std::vector<int32_t> tokens = ids(text);
    tokens.insert(tokens.begin(), processor.bos_id());
    return tokens;
  }
  [[nodiscard]] PreprocessResult run() const { return preprocess(options, {}); }

  TemporaryFolder folder;
  sentencepiece::SentencePieceProcessor processor;
  PreprocessOptions options;
};

std::string line(const std::string& text) {
  return nlohmann::json{{"text", text}}.dump() + "\n";
}

std::vector<int32_t> document(const swallow::IndexedDataset& dataset, int64_t i) {
  std::vector<int32_t> tokens(static_cast<size_t>(dataset.lengths()[static_cast<size_t>(i)]));
  dataset.read(i, 0, tokens);
  return tokens;
}

}  // namespace

TEST_CASE("the facts read from a model are the library's", "[unit][data]") {
  const World world;
  const auto info = swallow::tokenizer_info(world.options.tokenizer_model);
  REQUIRE(info.vocab_size == world.processor.GetPieceSize());
  REQUIRE(info.bos == world.processor.bos_id());
  REQUIRE(info.eos == world.processor.eos_id());
}

TEST_CASE("documents are stored with BOS and, when asked, EOS", "[unit][data]") {
  World world;
  std::string text;
  for (int i = 0; i < 50; ++i) text += line(sentence(i));
  world.input(text);
  for (const bool append_eod : {false, true}) {
    world.options.append_eod = append_eod;
    const PreprocessResult result = world.run();
    REQUIRE(result.datasets.at(0).prefix == world.options.output_prefix + "_text_document");
    REQUIRE(result.documents == 50);
    const swallow::IndexedDataset dataset(result.datasets[0].prefix);
    REQUIRE(dataset.type() == swallow::TokenType::u16);
    REQUIRE(dataset.num_tokens() == result.tokens());
    for (int i = 0; i < 50; ++i) {
      std::vector<int32_t> want = world.stored(sentence(i));
      if (append_eod) want.push_back(world.processor.eos_id());
      REQUIRE(document(dataset, i) == want);
    }
  }
}

TEST_CASE("the output does not depend on workers, gzip or the number of keys", "[unit][data]") {
  World world;
  // Several chunks in each of three inputs, with lines to skip in between, an empty file, a file
  // without a last newline, one that begins with a byte order mark, and Windows's ends of lines.
  std::string all;
  for (const std::string name : {"a.jsonl", "b.jsonl.gz", "c.jsonl"}) {
    std::string text = name == "a.jsonl" ? "\xef\xbb\xbf" : "";
    for (int i = 0; i < 3000; ++i) {
      text += i % 1000 == 7
                  ? "{bad\n\n"
                  : nlohmann::json{{"text", sentence(i)}, {"other", sentence(i + 1)}}.dump() +
                        (name == "c.jsonl" ? "\r\n" : "\n");
    }
    if (name == "a.jsonl") text.pop_back();
    const bool packed = name == "b.jsonl.gz";
    write_file(world.folder / name, packed ? swallow::test::gzip(text) : text);
  }
  write_file(world.folder / "a2.jsonl", "");
  world.options.inputs = {world.folder / "[ab]*.jsonl*", world.folder / "c.jsonl"};
  world.options.max_bad_lines = 100;
  world.options.append_eod = true;

  const auto run = [&](int workers, std::vector<std::string> keys) {
    world.options.workers = workers;
    world.options.json_keys = std::move(keys);
    int64_t last_bytes = 0;
    const PreprocessResult result =
        preprocess(world.options, [&](const swallow::PreprocessProgress& p) {
          REQUIRE(p.bytes_done >= last_bytes);
          last_bytes = p.bytes_done;
        });
    REQUIRE(last_bytes == result.input_bytes);
    REQUIRE(result.documents == 3 * (3000 - 3));
    REQUIRE(result.bad_lines == 9);
    REQUIRE(result.blank_lines == 9);
    REQUIRE(result.lines == 3 * 3003);
    REQUIRE(result.first_bad_lines.size() == 9);
    REQUIRE(result.first_bad_lines[0].find("a.jsonl:8: ") != std::string::npos);
    REQUIRE(result.first_bad_lines[3].find("b.jsonl.gz:8: ") != std::string::npos);
    std::vector<std::string> files;
    for (const PreprocessResult::Dataset& dataset : result.datasets) {
      for (const char* ending : {".idx", ".bin"})
        files.push_back(read_file(dataset.prefix + ending));
      REQUIRE(static_cast<int64_t>(files.back().size() + files.end()[-2].size()) == dataset.bytes);
    }
    return files;
  };
  const std::vector<std::string> text = run(1, {"text"});
  const std::vector<std::string> other = run(2, {"other"});
  REQUIRE((run(5, {"text"}) == text));
  for (const int workers : {1, 3}) {
    const std::vector<std::string> both = run(workers, {"other", "text"});
    REQUIRE((both == std::vector<std::string>{other[0], other[1], text[0], text[1]}));
  }
  REQUIRE(text != other);
}

TEST_CASE("a bad line is located, and one too many leaves nothing behind", "[unit][data]") {
  World world;
  world.input(line("good") + "{\"text\": \"bad \xff utf-8\"}\n" + line("good") + "[1]\n");
  const std::string message = message_of<DataError>([&] { (void)world.run(); });
  REQUIRE(message.find("1 bad lines, --max-bad-lines is 0") == 0);
  REQUIRE(message.find("in.jsonl:2: ") != std::string::npos);
  REQUIRE(message.find("UTF-8") != std::string::npos);
  for (const std::string& name : world.folder.names()) REQUIRE(name.find("out") != 0);

  world.options.max_bad_lines = 2;
  const PreprocessResult result = world.run();
  REQUIRE(result.bad_lines == 2);
  REQUIRE(result.documents == 2);
  REQUIRE(result.first_bad_lines[1].find("in.jsonl:4: the line is an array") != std::string::npos);
}

TEST_CASE("an empty text is a document of BOS, as Megatron stores it", "[unit][data]") {
  World world;
  world.input("{\"a\": \"\", \"b\": \"x\"}\n\n  \n{\"a\": \"y\", \"b\": \"\"}\n");
  world.options.json_keys = {"a", "b"};
  const PreprocessResult result = world.run();
  REQUIRE(result.documents == 2);
  REQUIRE(result.empty_texts == 2);
  REQUIRE(result.blank_lines == 2);
  REQUIRE(result.lines == 4);
  const swallow::IndexedDataset a(result.datasets.at(0).prefix);
  const swallow::IndexedDataset b(result.datasets.at(1).prefix);
  // Document i of both comes from the same line.
  REQUIRE(document(a, 0) == world.stored(""));
  REQUIRE(document(b, 0) == world.stored("x"));
  REQUIRE(document(a, 1) == world.stored("y"));
  REQUIRE(document(b, 1) == std::vector<int32_t>{world.processor.bos_id()});
  world.options.append_eod = true;
  REQUIRE(document(swallow::IndexedDataset(world.run().datasets[1].prefix), 1) ==
          std::vector<int32_t>{world.processor.bos_id(), world.processor.eos_id()});
}

TEST_CASE("a line must have a text for every key", "[unit][data]") {
  World world;
  world.input("{\"a\": \"x\", \"b\": \"y\"}\n{\"a\": \"x\"}\n{\"a\": \"x\", \"b\": 1}\n");
  world.options.json_keys = {"a", "b"};
  world.options.max_bad_lines = 2;
  const PreprocessResult result = world.run();
  REQUIRE(result.documents == 1);
  REQUIRE(result.datasets.at(0).prefix == world.options.output_prefix + "_a_document");
  REQUIRE(result.datasets.at(1).prefix == world.options.output_prefix + "_b_document");
  for (const PreprocessResult::Dataset& dataset : result.datasets) {
    REQUIRE(swallow::IndexedDataset(dataset.prefix).num_documents() == 1);
  }
  REQUIRE(result.first_bad_lines[0].find("in.jsonl:2: no key \"b\"") != std::string::npos);
  REQUIRE(result.first_bad_lines[1].find("in.jsonl:3: \"b\" is a number") != std::string::npos);
}

TEST_CASE("a line above 64 MiB is a bad line, and the next one is read", "[unit][data]") {
  World world;
  std::string text = line("a") + "{\"text\": \"";
  text.append(swallow::kMaxLineBytes, 'x');
  world.input(text + "\"}\n" + line("b"));
  world.options.max_bad_lines = 1;
  const PreprocessResult result = world.run();
  REQUIRE(result.documents == 2);
  REQUIRE(result.first_bad_lines.at(0) ==
          world.options.inputs[0] + ":2: longer than 67108864 bytes");
}

TEST_CASE("a gzip input that is cut off leaves nothing behind", "[unit][data]") {
  World world;
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += line(sentence(i));
  const std::string packed = swallow::test::gzip(text);
  world.input(packed.substr(0, packed.size() - 9));
  REQUIRE(message_of<DataError>([&] { (void)world.run(); }) ==
          world.options.inputs[0] + ": ends at compressed offset " +
              std::to_string(packed.size() - 9) + " inside a gzip member: truncated");
  for (const std::string& name : world.folder.names()) REQUIRE(name.find("out") != 0);
}

TEST_CASE("a file that is no tokenizer model is refused", "[unit][data]") {
  World world;
  world.input(line("a"));
  world.options.tokenizer_model = world.folder / "corpus.txt";
  REQUIRE(message_of<DataError>([&] { (void)world.run(); }).find("corpus.txt") !=
          std::string::npos);
}

TEST_CASE("tokens of a text asked part by part are those of the whole", "[unit][data]") {
  // The settings of Llama 2's tokenizer, and the same without its space before the text.
  for (const char* dummy_prefix : {"true", "false"}) {
    const World world({{"normalization_rule_name", "identity"},
                       {"remove_extra_whitespaces", "false"},
                       {"allow_whitespace_only_pieces", "true"},
                       {"add_dummy_prefix", dummy_prefix},
                       {"user_defined_symbols", "[x],春に戻る"}});
    const swallow::Tokenizer tokenizer(world.options.tokenizer_model);
    REQUIRE(tokenizer.info().plain_merges);
    // Texts of pieces, of what is in none, and of spaces and newlines in every place.
    const std::vector<std::string> words = {
        "the swallow", "spring", "春に戻る", "燕", "[x]", " ", "  ",  "\n",
        "é",           "▁",      "zzz",      "、", "😀",   "s", "sea", std::string(1, '\0'),
        "海を越えて"};
    std::mt19937 random(1234);
    swallow::TokenCache cache;
    for (int i = 0; i < 3000; ++i) {
      std::string text;
      for (size_t j = random() % 30; j > 0; --j) text += words[random() % words.size()];
      std::vector<int32_t> got = {-1};
      tokenizer.encode(text, cache, got);
      std::vector<int32_t> want = world.ids(text);
      want.insert(want.begin(), -1);  // what is there stays
      CAPTURE(i, text);
      REQUIRE((got == want));
    }
  }
}

TEST_CASE("the preprocess command writes what the function writes", "[unit][data]") {
  World world;
  world.input(line("the swallow returns") + line("春に"));
  world.options.append_eod = true;
  const PreprocessResult result = world.run();
  const std::string bin = read_file(result.datasets.at(0).prefix + ".bin");
  REQUIRE(swallow::run_preprocess({"--input", world.options.inputs[0], "--output-prefix",
                                   world.folder / "cli", "--tokenizer-model",
                                   world.options.tokenizer_model, "--append-eod", "--workers",
                                   "2"}) == 0);
  REQUIRE(read_file(world.folder / "cli_text_document.bin") == bin);
}

TEST_CASE("merged outputs are the output of the concatenated input", "[unit][data]") {
  World world;
  std::string all;
  std::vector<std::string> args = {"--merge", "--output-prefix", world.folder / "joined",
                                   "--input"};
  for (int part = 0; part < 3; ++part) {
    std::string text;
    for (int i = 0; i < 40; ++i) text += line(sentence(40 * part + i));
    all += text;
    world.input(text);
    world.options.output_prefix = world.folder / ("part" + std::to_string(part));
    args.push_back(world.run().datasets.at(0).prefix);
  }
  REQUIRE(swallow::run_preprocess(args) == 0);
  world.input(all);
  world.options.output_prefix = world.folder / "whole";
  const PreprocessResult whole = world.run();
  REQUIRE(read_file(world.folder / "joined.idx") ==
          read_file(whole.datasets.at(0).prefix + ".idx"));
  REQUIRE(read_file(world.folder / "joined.bin") ==
          read_file(whole.datasets.at(0).prefix + ".bin"));
}
