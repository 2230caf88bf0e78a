#include "data/index_file.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <initializer_list>

#include "base/check.h"
#include "data/fixtures.h"

using swallow::DataError;
using swallow::IndexFile;
using swallow::parse_index;
using swallow::TokenType;

namespace {

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

// Laid out by hand from the table of the format: three documents of 2, 0 and 3 tokens of u16.
const std::vector<std::byte> kThree = bytes_of({
    'M', 'M', 'I', 'D', 'I', 'D', 'X', 0, 0,           // 0: magic
    1,   0,   0,   0,   0,   0,   0,   0,              // 9: version
    8,                                                 // 17: u16
    3,   0,   0,   0,   0,   0,   0,   0,              // 18: sequences
    4,   0,   0,   0,   0,   0,   0,   0,              // 26: documents + 1
    2,   0,   0,   0,   0,   0,   0,   0, 3, 0, 0, 0,  // 34: lengths
    0,   0,   0,   0,   0,   0,   0,   0,              // 46: pointers
    4,   0,   0,   0,   0,   0,   0,   0,              //
    4,   0,   0,   0,   0,   0,   0,   0,              //
    0,   0,   0,   0,   0,   0,   0,   0,              // 70: documents
    1,   0,   0,   0,   0,   0,   0,   0,              //
    2,   0,   0,   0,   0,   0,   0,   0,              //
    3,   0,   0,   0,   0,   0,   0,   0,              //
});

std::vector<std::byte> written(TokenType type, std::vector<int32_t> lengths) {
  std::vector<std::byte> out;
  swallow::write_index(type, lengths, [&](std::span<const std::byte> part) {
    out.insert(out.end(), part.begin(), part.end());
  });
  return out;
}

/// kThree with one byte changed.
std::vector<std::byte> changed(size_t offset, int value) {
  std::vector<std::byte> bytes = kThree;
  bytes.at(offset) = static_cast<std::byte>(value);
  return bytes;
}

std::string refusal(const std::vector<std::byte>& bytes) {
  return swallow::test::message_of<DataError>([&] { (void)parse_index(bytes, "some.idx"); });
}

}  // namespace

TEST_CASE("the writer lays out an index byte for byte", "[unit][data]") {
  REQUIRE(written(TokenType::u16, {2, 0, 3}) == kThree);
}

TEST_CASE("the parser reads an index laid out by hand", "[unit][data]") {
  const IndexFile index = parse_index(kThree, "three.idx");
  REQUIRE(index.type == TokenType::u16);
  REQUIRE(index.lengths == std::vector<int32_t>{2, 0, 3});
  REQUIRE(index.num_documents == 3);
  REQUIRE(index.num_tokens == 5);
  REQUIRE_FALSE(index.multimodal);
}

TEST_CASE("an index without sequences is whole", "[unit][data]") {
  const IndexFile index = parse_index(written(TokenType::i32, {}), "empty.idx");
  REQUIRE(index.lengths.empty());
  REQUIRE(index.num_documents == 0);
}

TEST_CASE("a document may have several sequences, and sequences may have modes", "[unit][data]") {
  std::vector<std::byte> bytes = changed(78, 2);  // document 1 begins at sequence 2
  REQUIRE(parse_index(bytes, "f").num_documents == 3);
  bytes.resize(bytes.size() + 3);
  REQUIRE(parse_index(bytes, "f").multimodal);
}

TEST_CASE("all eight element types are known", "[unit][data]") {
  const std::vector<int64_t> sizes = {1, 1, 2, 4, 8, 8, 4, 2};
  for (int code = 1; code <= 8; ++code) {
    const auto type = static_cast<TokenType>(code);
    CAPTURE(code, swallow::name_of(type));
    REQUIRE(swallow::size_of(type) == sizes[static_cast<size_t>(code - 1)]);
    REQUIRE(parse_index(written(type, {1, 2, 3}), "f").type == type);
  }
  REQUIRE(swallow::token_type_for(65499) == TokenType::u16);
  REQUIRE(swallow::token_type_for(65500) == TokenType::i32);
}

TEST_CASE("an index cut anywhere is refused by name", "[unit][data]") {
  for (size_t size = 0; size < kThree.size(); ++size) {
    CAPTURE(size);
    const std::string message =
        refusal({kThree.begin(), kThree.begin() + static_cast<ptrdiff_t>(size)});
    REQUIRE(message.find("some.idx") != std::string::npos);
  }
}

TEST_CASE("an index with bytes too many is refused", "[unit][data]") {
  for (const size_t extra : {1U, 2U, 4U, 8U, 100U}) {
    std::vector<std::byte> bytes = kThree;
    bytes.resize(bytes.size() + extra);
    REQUIRE(refusal(bytes).find("some.idx") != std::string::npos);
  }
}

TEST_CASE("every flipped bit of an index is refused or read as what it now says", "[unit][data]") {
  for (size_t bit = 0; bit < kThree.size() * 8; ++bit) {
    std::vector<std::byte> bytes = kThree;
    bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    try {
      const IndexFile index = parse_index(bytes, "f");
      // Only another element type of two bytes, the length of the last sequence (which no pointer
      // follows; the size of `.bin` will tell) and the inner borders of documents can pass.
      const bool type = bit / 8 == 17 && swallow::size_of(index.type) == 2;
      const bool last_length = bit / 8 >= 42 && bit / 8 < 46 && index.lengths[2] != 3;
      const bool border = bit / 8 >= 78 && bit / 8 < 94;
      CAPTURE(bit);
      REQUIRE((type || last_length || border));
    } catch (const DataError&) {
      SUCCEED();
    }
  }
}

TEST_CASE("what is wrong with an index is located", "[unit][data]") {
  REQUIRE(refusal(changed(0, 'X')).find("MMIDIDX") != std::string::npos);
  REQUIRE(refusal(changed(9, 2)).find("offset 9: version 2") != std::string::npos);
  REQUIRE(refusal(changed(17, 9)).find("offset 17: token type 9") != std::string::npos);
  REQUIRE(refusal(changed(25, 0x7f)).find("offset 18") != std::string::npos);
  REQUIRE(refusal(changed(41, 0x80)).find("offset 38: sequence 1 has length -") !=
          std::string::npos);
  REQUIRE(refusal(changed(54, 6)).find("offset 54: sequence 1 begins at byte 6") !=
          std::string::npos);
  REQUIRE(refusal(changed(70, 1)).find("offset 70: document 0") != std::string::npos);
  REQUIRE(refusal(changed(86, 0)).find("offset 86: document 2") != std::string::npos);
  REQUIRE(refusal(changed(94, 2)).find("offset 94") != std::string::npos);
}
