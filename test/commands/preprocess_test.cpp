#include "commands/preprocess.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <random>

#include "base/check.h"
#include "data/fixtures.h"

using swallow::IndexedDatasetWriter;
using swallow::run_preprocess;
using swallow::TokenType;
using swallow::test::message_of;
using swallow::test::read_file;
using swallow::test::TemporaryFolder;
using swallow::test::write_dataset;
using swallow::test::write_file;

namespace {

int merge(const std::vector<std::string>& inputs, const std::string& output,
          const std::vector<std::string>& more = {}) {
  std::vector<std::string> args = {"--merge", "--output-prefix", output};
  args.insert(args.end(), more.begin(), more.end());
  args.push_back("--input");
  args.insert(args.end(), inputs.begin(), inputs.end());
  return run_preprocess(args);
}

void add_u64(std::string& bytes, uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8)
    bytes.push_back(static_cast<char>((value >> shift) & 0xff));
}

/// An index of u16 sequences of one token each, grouped into documents, with modes.
std::string multimodal_index(uint64_t sequences, const std::vector<uint64_t>& documents,
                             const std::string& modes) {
  std::string bytes("MMIDIDX\0\0\1\0\0\0\0\0\0\0\x08", 18);
  add_u64(bytes, sequences);
  add_u64(bytes, documents.size());
  for (uint64_t i = 0; i < sequences; ++i) bytes.append("\1\0\0\0", 4);
  for (uint64_t i = 0; i < sequences; ++i) add_u64(bytes, 2 * i);
  for (const uint64_t first : documents) add_u64(bytes, first);
  return bytes + modes;
}

}  // namespace

TEST_CASE("preprocess refuses arguments by name before any work", "[unit][data]") {
  const std::vector<std::string> good = {"--input", "a.jsonl",           "--output-prefix",
                                         "o",       "--tokenizer-model", "m"};
  const auto refusal = [&](std::vector<std::string> more) {
    more.insert(more.begin(), good.begin(), good.end());
    return message_of<swallow::ConfigError>([&] { run_preprocess(more); });
  };
  REQUIRE(refusal({"--unknown"}).find("--unknown") != std::string::npos);
  REQUIRE(refusal({"--output-prefix", "twice"}).find("--output-prefix") != std::string::npos);
  for (const char* workers :
       {"0", "-1", "nan", "010", "0x10", "1.5", "", "1025", "99999999999999999999"}) {
    CAPTURE(workers);
    REQUIRE(refusal({"--workers", workers}).find("--workers") != std::string::npos);
  }
  REQUIRE(refusal({"--max-bad-lines", "-1"}).find("--max-bad-lines") != std::string::npos);
  REQUIRE(message_of<swallow::ConfigError>([] { run_preprocess({}); }).find("required") !=
          std::string::npos);
}

TEST_CASE("preprocess refuses keys and outputs by name before any work", "[unit][data]") {
  const TemporaryFolder folder;
  write_file(folder / "in.jsonl", "{}\n");
  const auto refusal = [&](const std::string& prefix, const std::vector<std::string>& more) {
    std::vector<std::string> args = {"--input", folder / "in.jsonl", "--tokenizer-model",
                                     "m",       "--output-prefix",   prefix};
    args.insert(args.end(), more.begin(), more.end());
    return message_of<swallow::ConfigError>([&] { run_preprocess(args); });
  };
  const std::string out = folder / "out";
  REQUIRE(refusal(out, {"--json-keys", "a/b"}).find("--json-keys a/b: ") == 0);
  REQUIRE(refusal(out, {"--json-keys", "a", "b", "a"}).find("--json-keys a: given twice") == 0);
  REQUIRE(refusal(folder / "none/out", {}).find("there is no folder " + (folder / "none")) !=
          std::string::npos);
  REQUIRE(refusal(out, {"--input", folder / "in.jsonl"}).find("is the same file") !=
          std::string::npos);
  write_file(folder / "out_b_document.bin", "x");
  REQUIRE(refusal(out, {"--json-keys", "a", "b"}).find("out_b_document.bin exists; give another") !=
          std::string::npos);
}

TEST_CASE("preprocess names an input that is not there", "[unit][data]") {
  REQUIRE(message_of<swallow::DataError>([] {
            run_preprocess({"--input", "/nonexistent/a.jsonl", "--output-prefix", "o",
                            "--tokenizer-model", "m"});
          }).find("/nonexistent/a.jsonl") == 0);
}

TEST_CASE("merged datasets are those that one writer makes of all documents", "[unit][data]") {
  for (const TokenType type : {TokenType::u16, TokenType::i32}) {
    const TemporaryFolder folder;
    // More documents than a block of the index holds, more bytes than one of the tokens, an input
    // without documents and documents without tokens.
    std::mt19937 random(7);
    IndexedDatasetWriter whole(folder / "whole", type);
    std::vector<std::string> inputs;
    for (const int documents : {1, 9000, 0, 33}) {
      inputs.push_back(folder / ("part" + std::to_string(documents)));
      IndexedDatasetWriter part(inputs.back(), type);
      for (int i = 0; i < documents; ++i) {
        std::vector<int32_t> tokens(random() % 161);
        for (int32_t& token : tokens) token = static_cast<int32_t>(random() % 65536);
        part.add_document(tokens);
        whole.add_document(tokens);
      }
      part.finish();
    }
    whole.finish();
    inputs[1] += ".idx";  // an index may be named instead of the prefix
    REQUIRE(merge(inputs, folder / "joined") == 0);
    REQUIRE((read_file(folder / "joined.idx") == read_file(folder / "whole.idx")));
    REQUIRE((read_file(folder / "joined.bin") == read_file(folder / "whole.bin")));
    REQUIRE(folder.names().size() == 2 * (4 + 1 + 1));  // no temporary file is left
  }
}

TEST_CASE("a merge keeps documents of several sequences and modes", "[unit][data]") {
  const TemporaryFolder folder;
  write_file(folder / "a.bin", "aabbcc");
  write_file(folder / "a.idx", multimodal_index(3, {0, 2, 2, 3}, std::string("\0\1\0", 3)));
  write_file(folder / "b.bin", "ddee");
  write_file(folder / "b.idx", multimodal_index(2, {0, 2}, std::string("\1\0", 2)));
  REQUIRE(merge({folder / "a", folder / "b"}, folder / "joined") == 0);
  REQUIRE(read_file(folder / "joined.bin") == "aabbccddee");
  REQUIRE(read_file(folder / "joined.idx") ==
          multimodal_index(5, {0, 2, 2, 3, 5}, std::string("\0\1\0\1\0", 5)));

  write_file(folder / "plain.bin", "ff");
  write_file(folder / "plain.idx", multimodal_index(1, {0, 1}, ""));
  const std::string message = message_of<swallow::DataError>([&] {
    merge({folder / "a", folder / "plain"}, folder / "mixed");
  });
  REQUIRE(message.find("plain.idx: lacks a mode") != std::string::npos);
  REQUIRE(message.find("a.idx has") != std::string::npos);
}

TEST_CASE("a merge of two token types is refused naming both files", "[unit][data]") {
  const TemporaryFolder folder;
  const std::vector<int32_t> lengths = {3, 4};
  write_dataset(folder / "narrow", lengths);
  write_dataset(folder / "wide", lengths, 65536, TokenType::i32);
  const std::string message = message_of<swallow::DataError>([&] {
    merge({folder / "narrow", folder / "wide"}, folder / "joined");
  });
  REQUIRE(message.find("wide.idx: offset 17: elements are i32") != std::string::npos);
  REQUIRE(message.find("narrow.idx has u16") != std::string::npos);
  REQUIRE(folder.names().size() == 4);
}

TEST_CASE("a merge never writes over a file unasked, nor over an input at all", "[unit][data]") {
  const TemporaryFolder folder;
  const std::vector<int32_t> lengths = {3, 4};
  write_dataset(folder / "a", lengths);
  const std::string before = read_file(folder / "a.bin");
  REQUIRE(message_of<swallow::ConfigError>([&] {
            merge({folder / "a", folder / "a"}, folder / "a");
          }).find("a.idx exists") != std::string::npos);
  REQUIRE(read_file(folder / "a.bin") == before);
  write_file(folder / "half.bin", "x");
  REQUIRE(message_of<swallow::ConfigError>([&] {
            merge({folder / "a"}, folder / "half");
          }).find("half.bin exists") != std::string::npos);
  std::filesystem::create_symlink(folder / "nowhere", folder / "link.idx");
  REQUIRE(message_of<swallow::ConfigError>([&] {
            merge({folder / "a"}, folder / "link");
          }).find("link.idx exists") != std::string::npos);

  REQUIRE(message_of<swallow::ConfigError>([&] {
            merge({folder / "a"}, folder / "a", {"--overwrite"});
          }).find("is one of the inputs") != std::string::npos);
  REQUIRE(read_file(folder / "a.bin") == before);
  REQUIRE(merge({folder / "a"}, folder / "half", {"--overwrite"}) == 0);
  REQUIRE(read_file(folder / "half.bin") == before);
  REQUIRE(read_file(folder / "half.idx") == read_file(folder / "a.idx"));
}

TEST_CASE("a merge takes a pattern of indices", "[unit][data]") {
  const TemporaryFolder folder;
  const std::vector<int32_t> lengths = {3, 4};
  write_dataset(folder / "a1", lengths);
  write_dataset(folder / "a2", lengths);
  REQUIRE(merge({folder / "a?.idx"}, folder / "pattern") == 0);
  REQUIRE(merge({folder / "a1", folder / "a2"}, folder / "names") == 0);
  REQUIRE(read_file(folder / "pattern.bin") == read_file(folder / "names.bin"));
  REQUIRE(read_file(folder / "pattern.idx") == read_file(folder / "names.idx"));
}

TEST_CASE("a merge of a damaged or missing input leaves nothing behind", "[unit][data]") {
  const TemporaryFolder folder;
  const std::vector<int32_t> lengths = {3, 4};
  write_dataset(folder / "a", lengths);
  write_dataset(folder / "b", lengths);
  std::filesystem::resize_file(folder / "b.bin", 13);
  REQUIRE(message_of<swallow::DataError>([&] {
            merge({folder / "a", folder / "b"}, folder / "joined");
          }).find("b.bin: 13 bytes") != std::string::npos);
  REQUIRE(message_of<swallow::DataError>([&] {
            merge({folder / "a", folder / "none"}, folder / "joined");
          }).find("none.bin") != std::string::npos);
  REQUIRE(folder.names().size() == 4);
}

TEST_CASE("a merge refuses the flags of tokenizing, and tokenizing needs its own", "[unit][data]") {
  for (const std::vector<std::string>& more : {std::vector<std::string>{"--tokenizer-model", "m"},
                                               {"--append-eod"},
                                               {"--workers", "2"},
                                               {"--json-keys", "text"},
                                               {"--max-bad-lines", "1"}}) {
    std::vector<std::string> args = {"--merge", "--input", "a", "--output-prefix", "o"};
    args.insert(args.end(), more.begin(), more.end());
    CAPTURE(more[0]);
    const std::string message = message_of<swallow::ConfigError>([&] { run_preprocess(args); });
    REQUIRE(message.find(more[0]) != std::string::npos);
    REQUIRE(message.find("--merge") != std::string::npos);
  }
  REQUIRE(message_of<swallow::ConfigError>([] {
            run_preprocess({"--input", "a", "--output-prefix", "o"});
          }).find("--tokenizer-model is required") != std::string::npos);
}
