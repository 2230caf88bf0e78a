#include "commands/inspect.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/check.h"
#include "base/content_hash.h"
#include "data/fixtures.h"

using swallow::ConfigError;
using swallow::DataError;
using swallow::TokenType;
using swallow::test::message_of;
using swallow::test::read_file;
using swallow::test::TemporaryFolder;
using swallow::test::write_dataset;
using swallow::test::write_file;

namespace {

std::string inspect(const std::vector<std::string>& args) {
  std::ostringstream out;
  REQUIRE(swallow::run_inspect(args, out) == 0);
  return out.str();
}

/// The message of the DataError that --verify ends with; it prints nothing before it.
std::string damage(const std::string& file, const std::vector<std::string>& more = {}) {
  std::ostringstream out;
  std::vector<std::string> args = {file, "--verify"};
  args.insert(args.end(), more.begin(), more.end());
  const std::string message = message_of<DataError>([&] { swallow::run_inspect(args, out); });
  REQUIRE(out.str().empty());
  return message;
}

void require_parts(const std::string& message, const std::vector<std::string>& parts) {
  CAPTURE(message);
  for (const std::string& part : parts) {
    CAPTURE(part);
    REQUIRE(message.find(part) != std::string::npos);
  }
}

void flip(const std::string& path, size_t byte, int mask) {
  std::string bytes = read_file(path);
  bytes.at(byte) = static_cast<char>(bytes.at(byte) ^ mask);
  write_file(path, bytes);
}

std::string hash_of(const std::string& path) {
  const std::string bytes = read_file(path);
  return swallow::content_hash(std::as_bytes(std::span(bytes)));
}

/// d.idx and d.bin: documents of 5, 0, 40 and 2 tokens, which count 0, 1, 2 ...
/// The arrays begin at 34 (lengths), 50 (pointers) and 82 (documents).
struct Four {
  Four() { write_dataset(folder / "d", lengths); }
  TemporaryFolder folder;
  std::vector<int32_t> lengths = {5, 0, 40, 2};
  std::string idx = folder / "d.idx";
  std::string bin = folder / "d.bin";
};

}  // namespace

TEST_CASE("inspect says what a dataset holds", "[unit][data]") {
  const Four four;
  const auto json = nlohmann::json::parse(inspect({four.idx, "--json"}));
  REQUIRE(json["prefix"] == four.folder / "d");
  REQUIRE(json["version"] == 1);
  REQUIRE(json["dtype"] == "u16");
  REQUIRE(json["sequences"] == 4);
  REQUIRE(json["documents"] == 4);
  REQUIRE(json["tokens"] == 47);
  REQUIRE(json["idx_bytes"] == 34 + 12 * 4 + 8 * 5);
  REQUIRE(json["bin_bytes"] == 94);
  REQUIRE(json["shortest_document"] == 0);
  REQUIRE(json["longest_document"] == 40);
  REQUIRE(json["mean_document"] == 11.75);
  REQUIRE(json["empty_documents"] == 1);
  REQUIRE(json["verified"] == false);
  REQUIRE_FALSE(json.contains("largest_token"));
  REQUIRE(inspect({four.folder / "d", "--json"}) == inspect({four.idx, "--json"}));
  require_parts(inspect({four.idx}), {"u16", "47", "11.8", "94 B"});
}

TEST_CASE("inspect --verify adds the range of tokens and both hashes", "[unit][data]") {
  const Four four;
  const auto json =
      nlohmann::json::parse(inspect({four.idx, "--verify", "--vocab-size", "47", "--json"}));
  REQUIRE(json["verified"] == true);
  REQUIRE(json["smallest_token"] == 0);
  REQUIRE(json["largest_token"] == 46);
  REQUIRE(json["idx_xxh3_128"] == hash_of(four.idx));
  REQUIRE(json["bin_xxh3_128"] == hash_of(four.bin));
  require_parts(inspect({four.idx, "--verify"}), {hash_of(four.idx), hash_of(four.bin), "46"});
}

TEST_CASE("inspect shows the first tokens of the documents asked for", "[unit][data]") {
  const Four four;
  const auto json = nlohmann::json::parse(inspect({four.idx, "--documents", "0:3", "--json"}));
  const auto& shown = json["first_tokens"];
  REQUIRE(shown.size() == 3);
  REQUIRE(shown[0]["tokens"] == std::vector<int>{0, 1, 2, 3, 4});
  REQUIRE(shown[1]["length"] == 0);
  REQUIRE(shown[1]["tokens"].empty());
  REQUIRE(shown[2]["document"] == 2);
  REQUIRE(shown[2]["length"] == 40);
  REQUIRE(shown[2]["tokens"].size() == 16);
  REQUIRE(shown[2]["tokens"][15] == 20);
  require_parts(inspect({four.idx, "--documents", "2:4"}),
                {"5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 ... 24 more", "45 46\n"});
}

TEST_CASE("a document of several sequences is shown and counted as one", "[unit][data]") {
  const Four four;
  flip(four.idx, 82 + 8, 3);   // 1 becomes 2: document 0 is sequences 0 and 1
  flip(four.idx, 82 + 16, 1);  // 2 becomes 3: document 1 is sequence 2, document 2 is none
  const auto json = nlohmann::json::parse(inspect({four.idx, "--documents", "1:3", "--json"}));
  REQUIRE(json["first_tokens"][0]["length"] == 40);
  REQUIRE(json["first_tokens"][0]["tokens"][0] == 5);
  REQUIRE(json["first_tokens"][1]["length"] == 0);
  REQUIRE(json["empty_documents"] == 1);
}

TEST_CASE("verifying reads more than one block and an empty dataset", "[unit][data]") {
  const TemporaryFolder folder;
  std::vector<int32_t> lengths(20011, 61);  // blocks hold 8192 lengths and 1 MiB of tokens
  write_dataset(folder / "large", lengths, 50000);
  const auto large = nlohmann::json::parse(inspect({folder / "large.idx", "--verify", "--json"}));
  REQUIRE(large["tokens"] == 20011 * 61);
  REQUIRE(large["largest_token"] == 49999);
  REQUIRE(large["bin_xxh3_128"] == hash_of(folder / "large.bin"));
  // Token 1000000 is the first that is 49999 + 1 after the change, in document 1000000 / 61.
  std::string bin = read_file(folder / "large.bin");
  bin[2000000] = '\x50';
  bin[2000001] = '\xc3';  // 50000
  write_file(folder / "large.bin", bin);
  require_parts(damage(folder / "large.idx", {"--vocab-size", "50000"}),
                {"large.bin: offset 2000000: token 50000", "number 27 of document 16393",
                 "expected 0 to 49999"});

  write_dataset(folder / "none", std::vector<int32_t>{});
  const auto none = nlohmann::json::parse(inspect({folder / "none.idx", "--verify", "--json"}));
  REQUIRE(none["documents"] == 0);
  REQUIRE(none["mean_document"] == 0);
}

TEST_CASE("a token beyond the vocabulary is located", "[unit][data]") {
  const Four four;
  // Document 1 is empty: token 5 is the first of document 2.
  require_parts(damage(four.idx, {"--vocab-size", "5"}),
                {"d.bin: offset 10: token 5", "number 0 of document 2", "expected 0 to 4"});
  require_parts(damage(four.idx, {"--vocab-size", "46"}),
                {"d.bin: offset 92: token 46", "number 1 of document 3", "expected 0 to 45"});
}

TEST_CASE("a negative token is refused without a vocabulary", "[unit][data]") {
  const TemporaryFolder folder;
  write_dataset(folder / "d", std::vector<int32_t>{3, 4}, 100, TokenType::i32);
  flip(folder / "d.bin", 4 * 4 + 3, 0x80);
  require_parts(damage(folder / "d.idx"), {"d.bin: offset 16: token -2147483644",
                                           "number 1 of document 1", "expected 0 to 2147483647"});
}

TEST_CASE("elements that are no integers can be counted, but are no tokens", "[unit][data]") {
  const Four four;
  std::filesystem::resize_file(four.bin, 47 * 4);
  std::string idx = read_file(four.idx);
  idx[17] = 7;  // f32, 4 bytes: the pointers double
  for (size_t i = 0; i < 4; ++i) idx[50 + 8 * i] = static_cast<char>(2 * idx[50 + 8 * i]);
  write_file(four.idx, idx);
  require_parts(inspect({four.idx}), {"f32", "188"});
  require_parts(damage(four.idx), {"d.idx: offset 17", "f32", "integers"});
}

TEST_CASE("every kind of damage to a dataset is named", "[unit][data]") {
  const auto after = [](const auto& change) {
    const Four four;
    change(four);
    return damage(four.idx);
  };
  const auto resize = [](const std::string& path, int by) {
    const auto size = static_cast<int64_t>(std::filesystem::file_size(path));
    std::filesystem::resize_file(path, static_cast<uintmax_t>(size + by));
  };
  for (const int by : {-1, 1, -94, 94}) {
    CAPTURE(by);
    require_parts(after([&](const Four& four) { resize(four.bin, by); }),
                  {"d.bin: " + std::to_string(94 + by) + " bytes", "47 tokens of u16 = 94 bytes"});
  }
  for (const int by : {-1, 1, -8, 8, -88}) {
    CAPTURE(by);
    require_parts(after([&](const Four& four) { resize(four.idx, by); }), {"d.idx: ", "bytes"});
  }
  require_parts(after([&](const Four& four) { resize(four.idx, -122); }), {"d.idx: 0 bytes", "34"});
  const auto flipped = [&](size_t byte, int mask) {
    return after([&](const Four& four) { flip(four.idx, byte, mask); });
  };
  require_parts(flipped(3, 1), {"d.idx: offset 0", "MMIDIDX"});
  require_parts(flipped(9, 3), {"d.idx: offset 9: version 2", "only 1"});
  require_parts(flipped(17, 1), {"d.idx: offset 17: token type 9", "1 to 8"});
  require_parts(flipped(18, 1), {"d.idx: 122 bytes", "5 sequences"});
  require_parts(flipped(25, 0x40), {"d.idx: offset 18: 4611686018427387908 sequences"});
  require_parts(flipped(37, 0x80),
                {"d.idx: offset 34: sequence 0 has length -2147483643", "expected 0 or more"});
  require_parts(flipped(34, 1), {"d.idx: offset 58: sequence 1 begins at byte 10", "say 8"});
  require_parts(flipped(66, 4), {"d.idx: offset 66: sequence 2 begins at byte 14", "say 10"});
  require_parts(flipped(82, 1), {"d.idx: offset 82: document 0", "sequence 1", "expected 0 to 0"});
  require_parts(flipped(98, 2), {"d.idx: offset 98: document 2 begins at sequence 0", "1 to 4"});
  require_parts(flipped(114, 1),
                {"d.idx: offset 114: document 4 begins at sequence 5", "expected 3 to 4"});
  require_parts(flipped(114, 7), {"d.idx: offset 114: the document index ends at sequence 3 of 4"});
  require_parts(after([](const Four& four) { std::filesystem::remove(four.bin); }),
                {"d.bin: cannot be opened"});
}

TEST_CASE("a flipped bit anywhere in an index is named or changes what is said", "[unit][data]") {
  const Four four;
  const std::string idx = read_file(four.idx);
  const std::string sound = inspect({four.idx, "--verify"});
  for (size_t bit = 0; bit < 8 * idx.size(); ++bit) {
    CAPTURE(bit);
    flip(four.idx, bit / 8, 1 << (bit % 8));
    std::ostringstream out;
    try {
      swallow::run_inspect({four.idx, "--verify"}, out);
      REQUIRE(out.str() != sound);  // the hash tells at least
    } catch (const DataError& error) {
      REQUIRE(std::string(error.what()).find(four.folder / "d.") != std::string::npos);
    }
    write_file(four.idx, idx);
  }
}

TEST_CASE("inspect refuses arguments by name", "[unit][data]") {
  const Four four;
  const auto refusal = [&](std::vector<std::string> more) {
    more.insert(more.begin(), four.idx);
    std::ostringstream out;
    return message_of<ConfigError>([&] { swallow::run_inspect(more, out); });
  };
  for (const char* documents : {"3", ":", "a:b", "2:2", "3:1", "0:5", "-1:2", "0:", ":2", "1:2:3"})
    REQUIRE(refusal({"--documents", documents}).find("--documents") != std::string::npos);
  for (const char* size : {"0", "-5", "x", "1.5", "99999999999"})
    REQUIRE(refusal({"--verify", "--vocab-size", size}).find("--vocab-size") != std::string::npos);
  require_parts(refusal({"--vocab-size", "5"}), {"--vocab-size", "--verify"});
  require_parts(refusal({"--unknown"}), {"--unknown"});
  std::ostringstream out;
  require_parts(message_of<ConfigError>([&] { swallow::run_inspect({}, out); }), {"required"});
  REQUIRE(inspect({"--help"}).find("--documents") != std::string::npos);
}
