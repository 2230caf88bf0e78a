#include "data/tokenizer_model.h"

#include <catch2/catch.hpp>
#include <string>

#include "base/check.h"
#include "data/fixtures.h"

using swallow::DataError;
using swallow::parse_tokenizer_model;

namespace {

std::string field(int number, std::string_view bytes) {
  std::string out;
  for (unsigned value :
       {static_cast<unsigned>(number << 3 | 2), static_cast<unsigned>(bytes.size())}) {
    for (; value >= 128; value >>= 7) out += static_cast<char>(value | 128U);
    out += static_cast<char>(value);
  }
  return out.append(bytes);
}

/// A SentencePiece message: text, score, type.
std::string piece(std::string_view text, char type) {
  return field(1, field(1, text) + std::string("\x15\0\0\0\0\x18", 6) + type);
}

const std::string kModel = piece("<unk>", 2) + piece("<s>", 3) + piece("</s>", 3) + piece("a", 1) +
                           piece("<s>b", 1) + field(2, std::string("\x18\x02", 2));

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
  const auto named = parse(piece("a", 1) + piece("[B]", 3) + piece("[E]", 3) +
                           field(2, field(46, "[B]") + field(47, "[E]")));
  REQUIRE(named.bos == 1);
  REQUIRE(named.eos == 2);
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
