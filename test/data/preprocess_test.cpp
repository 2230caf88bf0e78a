// Built only where SentencePiece and its trainer are (CMakeLists.txt says so when they are not).
#include "data/preprocess.h"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "commands/preprocess.h"
#include "data/fixtures.h"
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
  World() {
    std::string text;
    for (int i = 0; i < 400; ++i) text += sentence(i) + "\n";
    write_file(folder / "corpus.txt", text);
    const auto status =
        sentencepiece::SentencePieceTrainer::Train({{"input", folder / "corpus.txt"},
                                                    {"model_prefix", folder / "m"},
                                                    {"vocab_size", "330"},
                                                    {"model_type", "bpe"},
                                                    {"byte_fallback", "true"},
                                                    {"hard_vocab_limit", "false"},
                                                    {"minloglevel", "3"}});
    if (!status.ok()) throw std::runtime_error(status.ToString());
    if (!processor.Load(folder / "m.model").ok()) throw std::runtime_error("load");
    options.inputs = {folder / "in.jsonl"};
    options.output_prefix = folder / "out";
    options.tokenizer_model = folder / "m.model";
  }

  void input(const std::string& text) const { write_file(folder / "in.jsonl", text); }
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
    REQUIRE(result.prefix == world.options.output_prefix + "_text_document");
    REQUIRE(result.documents == 50);
    const swallow::IndexedDataset dataset(result.prefix);
    REQUIRE(dataset.type() == swallow::TokenType::u16);
    REQUIRE(dataset.num_tokens() == result.tokens);
    for (int i = 0; i < 50; ++i) {
      std::vector<int> want;
      REQUIRE(world.processor.Encode(sentence(i), &want).ok());
      want.insert(want.begin(), world.processor.bos_id());
      if (append_eod) want.push_back(world.processor.eos_id());
      REQUIRE(document(dataset, i) == want);
    }
  }
}

TEST_CASE("the output does not depend on the number of workers", "[unit][data]") {
  World world;
  // Several chunks, in two inputs, with lines to skip in between.
  for (const char* name : {"a.jsonl", "b.jsonl"}) {
    std::string text;
    for (int i = 0; i < 6000; ++i) text += i % 1000 == 7 ? "{bad\n\n" : line(sentence(i));
    write_file(world.folder / name, text);
  }
  world.options.inputs = {world.folder / "a.jsonl", world.folder / "b.jsonl"};
  world.options.max_bad_lines = 100;
  std::vector<std::string> idx;
  std::vector<std::string> bin;
  for (const int workers : {1, 2, 5}) {
    world.options.workers = workers;
    int64_t last_bytes = 0;
    const PreprocessResult result =
        preprocess(world.options, [&](const swallow::PreprocessProgress& p) {
          REQUIRE(p.bytes_done >= last_bytes);
          last_bytes = p.bytes_done;
        });
    REQUIRE(last_bytes == result.input_bytes);
    REQUIRE(result.documents == 2 * (6000 - 6));
    REQUIRE(result.bad_lines == 12);
    REQUIRE(result.empty_documents == 12);
    REQUIRE(result.lines == 2 * 6006);
    REQUIRE(result.first_bad_lines.size() == 10);
    REQUIRE(result.first_bad_lines[0].find("a.jsonl:8: ") != std::string::npos);
    REQUIRE(result.first_bad_lines[6].find("b.jsonl:8: ") != std::string::npos);
    idx.push_back(read_file(result.prefix + ".idx"));
    bin.push_back(read_file(result.prefix + ".bin"));
    REQUIRE(static_cast<int64_t>(idx.back().size() + bin.back().size()) == result.output_bytes);
  }
  REQUIRE((idx[0] == idx[1] && idx[0] == idx[2]));
  REQUIRE((bin[0] == bin[1] && bin[0] == bin[2]));
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

TEST_CASE("documents without text are skipped and counted", "[unit][data]") {
  World world;
  world.input(line("") + line("a") + "\n  \n" + line("b"));
  const PreprocessResult result = world.run();
  REQUIRE(result.documents == 2);
  REQUIRE(result.empty_documents == 3);
  REQUIRE(result.lines == 5);
}

TEST_CASE("another key of the lines can be the text", "[unit][data]") {
  World world;
  world.input("{\"text\": 1, \"body\": \"the swallow\"}\n");
  world.options.json_key = "body";
  const PreprocessResult result = world.run();
  REQUIRE(result.prefix == world.options.output_prefix + "_body_document");
  REQUIRE(result.documents == 1);
}

TEST_CASE("a file that is no tokenizer model is refused", "[unit][data]") {
  World world;
  world.input(line("a"));
  world.options.tokenizer_model = world.folder / "corpus.txt";
  REQUIRE(message_of<DataError>([&] { (void)world.run(); }).find("corpus.txt") !=
          std::string::npos);
}

TEST_CASE("the preprocess command writes what the function writes", "[unit][data]") {
  World world;
  world.input(line("the swallow returns") + line("春に"));
  world.options.append_eod = true;
  const PreprocessResult result = world.run();
  const std::string bin = read_file(result.prefix + ".bin");
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
    args.push_back(world.run().prefix);
  }
  REQUIRE(swallow::run_preprocess(args) == 0);
  world.input(all);
  world.options.output_prefix = world.folder / "whole";
  const PreprocessResult whole = world.run();
  REQUIRE(read_file(world.folder / "joined.idx") == read_file(whole.prefix + ".idx"));
  REQUIRE(read_file(world.folder / "joined.bin") == read_file(whole.prefix + ".bin"));
}
