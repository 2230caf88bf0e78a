#include "data/indexed_dataset.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "base/check.h"
#include "data/fixtures.h"

using swallow::DataError;
using swallow::IndexedDataset;
using swallow::IndexedDatasetWriter;
using swallow::TokenType;
using swallow::test::message_of;
using swallow::test::TemporaryFolder;

TEST_CASE("documents come back as they were written, in both token types", "[unit][data]") {
  const TemporaryFolder folder;
  const std::vector<int32_t> lengths = swallow::test::uneven_lengths(200);
  for (const TokenType type : {TokenType::u16, TokenType::i32}) {
    const std::string prefix = folder / swallow::name_of(type);
    const int32_t modulus = type == TokenType::u16 ? 65536 : 2147483647;
    swallow::test::write_dataset(prefix, lengths, modulus, type);

    const IndexedDataset dataset(prefix);
    REQUIRE(dataset.type() == type);
    REQUIRE(dataset.num_documents() == 200);
    REQUIRE(std::vector<int32_t>(dataset.lengths().begin(), dataset.lengths().end()) == lengths);
    int32_t begin = 0;
    for (int64_t i = 0; i < 200; ++i) {
      const int32_t length = lengths[static_cast<size_t>(i)];
      std::vector<int32_t> tokens(static_cast<size_t>(length));
      dataset.read(i, 0, tokens);
      for (int32_t j = 0; j < length; ++j) REQUIRE(tokens[static_cast<size_t>(j)] == begin + j);
      if (length > 2) {
        std::vector<int32_t> inner(static_cast<size_t>(length - 2));
        dataset.read(i, 1, inner);
        REQUIRE(inner.front() == begin + 1);
        REQUIRE(inner.back() == begin + length - 2);
      }
      begin += length;
    }
  }
}

TEST_CASE("the token file holds little-endian tokens and nothing else", "[unit][data]") {
  const TemporaryFolder folder;
  IndexedDatasetWriter narrow(folder / "narrow", TokenType::u16);
  narrow.add_document(std::vector<int32_t>{1, 0x1234, 65535});
  narrow.finish();
  REQUIRE(swallow::test::read_file(folder / "narrow.bin") ==
          std::string("\x01\0\x34\x12\xff\xff", 6));
  IndexedDatasetWriter wide(folder / "wide", TokenType::i32);
  wide.add_document(std::vector<int32_t>{0x01020304});
  wide.finish();
  REQUIRE(swallow::test::read_file(folder / "wide.bin") == "\x04\x03\x02\x01");
}

TEST_CASE("tokens of the rarer integer types are read, floats are refused", "[unit][data]") {
  const TemporaryFolder folder;
  const auto lay = [&](TokenType type, std::string_view bin) {
    std::string idx;
    swallow::write_index(type, std::vector<int32_t>{2}, [&](std::span<const std::byte> part) {
      idx.append(reinterpret_cast<const char*>(part.data()), part.size());
    });
    swallow::test::write_file(folder / "x.idx", idx);
    swallow::test::write_file(folder / "x.bin", bin);
  };
  const auto read = [&] {
    std::vector<int32_t> tokens(2);
    IndexedDataset(folder / "x").read(0, 0, tokens);
    return tokens;
  };
  lay(TokenType::u8, "\x07\xff");
  REQUIRE(read() == std::vector<int32_t>{7, 255});
  lay(TokenType::i8, "\x07\xff");
  REQUIRE(read() == std::vector<int32_t>{7, -1});
  lay(TokenType::i16, std::string_view("\x07\x01\xfe\xff", 4));
  REQUIRE(read() == std::vector<int32_t>{263, -2});
  lay(TokenType::i64, std::string_view("\x07\0\0\0\0\0\0\0\xff\xff\xff\x7f\0\0\0\0", 16));
  REQUIRE(read() == std::vector<int32_t>{7, 2147483647});
  lay(TokenType::i64, std::string_view("\x07\0\0\0\0\0\0\0\0\0\0\x80\0\0\0\0", 16));
  REQUIRE(message_of<DataError>(read).find("x.bin: offset 8: 2147483648") != std::string::npos);
  lay(TokenType::f32, "12345678");
  REQUIRE(message_of<DataError>(read).find("f32") != std::string::npos);
}

TEST_CASE("a token file of another size than the index promises is refused", "[unit][data]") {
  const TemporaryFolder folder;
  const std::string prefix = folder / "d";
  swallow::test::write_dataset(prefix, std::vector<int32_t>{5, 6});
  for (const uintmax_t size : {0U, 1U, 21U, 23U, 24U, 44U}) {
    std::filesystem::resize_file(prefix + ".bin", size);
    const std::string message = message_of<DataError>([&] { const IndexedDataset d(prefix); });
    REQUIRE(message.find("d.bin") != std::string::npos);
    REQUIRE(message.find("22 bytes") != std::string::npos);
  }
}

TEST_CASE("a file that shrinks while open is an error with its offset", "[unit][data]") {
  const TemporaryFolder folder;
  const std::string prefix = folder / "d";
  swallow::test::write_dataset(prefix, std::vector<int32_t>{5, 6});
  const IndexedDataset dataset(prefix);
  std::filesystem::resize_file(prefix + ".bin", 14);
  std::vector<int32_t> tokens(6);
  const std::string message = message_of<DataError>([&] { dataset.read(1, 0, tokens); });
  REQUIRE(message.find("d.bin: ends at offset 14") != std::string::npos);
}

TEST_CASE("missing files and folders are named", "[unit][data]") {
  const TemporaryFolder folder;
  REQUIRE(message_of<DataError>([&] {
            const IndexedDataset d(folder / "none");
          }).find("none.bin: cannot be opened: No such file") != std::string::npos);
  std::filesystem::create_directory(folder / "dir.bin");
  REQUIRE(message_of<DataError>([&] {
            const IndexedDataset d(folder / "dir");
          }).find("is not a regular file") != std::string::npos);
}

TEST_CASE("an unfinished writer leaves nothing, a finished one only the pair", "[unit][data]") {
  const TemporaryFolder folder;
  {
    IndexedDatasetWriter writer(folder / "d", TokenType::u16);
    writer.add_document(std::vector<int32_t>{1, 2, 3});
    // Nothing carries the final name while it is written.
    for (const std::string& name : folder.names()) {
      REQUIRE(name.find(".partial.") != std::string::npos);
    }
  }
  REQUIRE(folder.names().empty());
  swallow::test::write_dataset(folder / "d", std::vector<int32_t>{3});
  REQUIRE(folder.names() == std::vector<std::string>{"d.bin", "d.idx"});
  swallow::test::write_dataset(folder / "d", std::vector<int32_t>{4, 5});  // replaces the old pair
  REQUIRE(folder.names() == std::vector<std::string>{"d.bin", "d.idx"});
  REQUIRE(IndexedDataset(folder / "d").num_tokens() == 9);
}

TEST_CASE("a token that does not fit the type is refused", "[unit][data]") {
  const TemporaryFolder folder;
  IndexedDatasetWriter writer(folder / "d", TokenType::u16);
  REQUIRE_THROWS_AS(writer.add_document(std::vector<int32_t>{65536}), DataError);
  REQUIRE_THROWS_AS(writer.add_document(std::vector<int32_t>{-1}), DataError);
  REQUIRE(writer.num_documents() == 0);
}

TEST_CASE("a place in the data is described for a person", "[unit][data]") {
  const TemporaryFolder folder;
  swallow::test::write_dataset(folder / "d", std::vector<int32_t>{5, 6});
  REQUIRE(IndexedDataset(folder / "d").describe(1, 2) ==
          (folder / "d.bin") + ": document 1, token 2 of it (byte 14)");
}
