#include "data/tokenizer_model.h"

#include <catch2/catch.hpp>
#include <string>

#include "base/check.h"
#include "data/bpe_model.h"
#include "data/fixtures.h"

using swallow::DataError;
using swallow::parse_tokenizer_model;
using swallow::test::bpe_piece;
using swallow::test::protobuf_field;

namespace {

/// A SentencePiece message: text, score, type.
std::string piece(std::string_view text, int type) {
  return bpe_piece(text, static_cast<swallow::PieceType>(type), 0);
}

const std::string kModel = piece("<unk>", 2) + piece("<s>", 3) + piece("</s>", 3) + piece("a", 1) +
                           piece("<s>b", 1) + protobuf_field(2, std::string("\x18\x02", 2));

swallow::TokenizerInfo parse(std::string_view bytes) {
  return parse_tokenizer_model(std::as_bytes(std::span(bytes)), "m.model");
}

}  // namespace

TEST_CASE("a tokenizer model tells its size, BOS and EOS", "[unit][data]") {
  const auto info = parse(kModel);
  REQUIRE(info.vocab_size == 5);
  REQUIRE(info.bos == 1);
  REQUIRE(info.eos == 2);
}

TEST_CASE("BOS and EOS are control pieces, named by the model", "[unit][data]") {
  const auto plain = parse(piece("<s>", 1) + piece("a", 1));  // an ordinary piece that looks so
  REQUIRE(plain.bos == -1);
  REQUIRE(plain.eos == -1);
  const auto named =
      parse(piece("a", 1) + piece("[B]", 3) + piece("[E]", 3) +
            protobuf_field(2, protobuf_field(46, "[B]") + protobuf_field(47, "[E]")));
  REQUIRE(named.bos == 1);
  REQUIRE(named.eos == 2);
}

TEST_CASE("a model's merges are plain unless anything says otherwise", "[unit][data]") {
  const auto varint = [](int number, char value) {
    std::string out;
    const auto tag = static_cast<unsigned>(number << 3);
    if (tag >= 128) out += static_cast<char>(tag | 128U);
    out += static_cast<char>(tag >= 128 ? tag >> 7 : tag);
    return out + value;
  };
  const std::string pieces = piece("<unk>", 2) + piece("ab", 1);
  const std::string bpe = varint(3, 2) + varint(35, 1);  // with byte fallback
  const std::string as_it_is = varint(4, 0);             // keeps every space
  const std::string llama = pieces + protobuf_field(2, bpe) + protobuf_field(3, as_it_is);
  REQUIRE(parse(llama).plain_merges);
  REQUIRE(parse(llama).dummy_prefix);
  const auto without_prefix = parse(llama + protobuf_field(3, varint(3, 0)));
  REQUIRE(without_prefix.plain_merges);
  REQUIRE_FALSE(without_prefix.dummy_prefix);

  REQUIRE_FALSE(parse(kModel).plain_merges);
  REQUIRE_FALSE(parse(pieces + protobuf_field(2, bpe)).plain_merges);  // spaces are removed
  for (const std::string& other :
       {protobuf_field(2, varint(3, 1)), protobuf_field(2, varint(35, 0)),
        protobuf_field(2, varint(24, 1)), protobuf_field(3, protobuf_field(2, "rules")),
        protobuf_field(3, varint(4, 1)), protobuf_field(3, varint(5, 0)), protobuf_field(4, ""),
        piece("unused", 5)}) {
    CAPTURE(other);
    REQUIRE_FALSE(parse(llama + other).plain_merges);
  }
}

TEST_CASE("a tokenizer model cut or garbled is refused by name", "[unit][data]") {
  for (size_t size = 0; size < kModel.size(); ++size) {
    // A cut between two top-level fields is a shorter model; everywhere else it is an error.
    try {
      const auto info = parse(std::string_view(kModel).substr(0, size));
      REQUIRE((info.vocab_size >= 1 && info.vocab_size <= 5));
    } catch (const DataError& error) {
      REQUIRE(std::string(error.what()).find("m.model: ") == 0);
    }
  }
  for (const std::string_view bytes : {"", "\x0a", "hello, I am text", "\x0a\xff\xff\xff\xff\x7f",
                                       "\x0b", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"}) {
    REQUIRE_THROWS_AS(parse(bytes), DataError);
  }
}
