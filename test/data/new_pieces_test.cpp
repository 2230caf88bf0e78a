// Built only where SentencePiece and its trainer are, as preprocess_test.cpp.
#include "data/new_pieces.h"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <catch2/catch.hpp>

#include "base/check.h"
#include "data/bpe_model.h"
#include "data/fixtures.h"

using swallow::PieceType;
using swallow::test::bpe_piece;
using swallow::test::read_file;
using swallow::test::TemporaryFolder;
using swallow::test::write_file;

TEST_CASE("the old model splits the very text of a new piece", "[unit][data]") {
  const TemporaryFolder folder;
  std::string corpus;
  for (int i = 0; i < 300; ++i)
    corpus +=
        i % 2 == 0 ? "the swallow returns in spring over the sea\n" : "燕は春に戻る、海を越えて\n";
  write_file(folder / "corpus.txt", corpus);
  const auto status = sentencepiece::SentencePieceTrainer::Train({{"input", folder / "corpus.txt"},
                                                                  {"model_prefix", folder / "old"},
                                                                  {"vocab_size", "320"},
                                                                  {"model_type", "bpe"},
                                                                  {"byte_fallback", "true"},
                                                                  {"hard_vocab_limit", "false"},
                                                                  {"minloglevel", "3"}});
  REQUIRE(status.ok());
  const std::vector<std::string> added = {"海を春に", "\xe2\x96\x81the\xe2\x96\x81sea", "sea", "鳥",
                                          "\xe2\x96\x81\xe2\x96\x81\xe2\x96\x81"};
  std::string extended = read_file(folder / "old.model");
  for (const std::string& text : added) extended += bpe_piece(text, PieceType::normal, -2);
  extended += bpe_piece("<pad>", PieceType::control, -2);
  write_file(folder / "new.model", extended);

  const auto split = swallow::split_new_pieces(folder / "old.model", folder / "new.model");
  sentencepiece::SentencePieceProcessor old;
  REQUIRE(old.Load(folder / "old.model").ok());
  REQUIRE(split.size() == added.size() + 1);
  for (size_t i = 0; i < added.size(); ++i) {
    INFO(added[i]);
    std::string text;
    for (const int32_t id : split[i]) {
      const std::string& part = old.IdToPiece(id);
      text += old.IsByte(id)
                  ? std::string(1, static_cast<char>(std::stoi(part.substr(3, 2), nullptr, 16)))
                  : part;
    }
    CHECK(text == added[i]);  // nothing before it, nothing lost
  }
  // What the library gives for a word at the beginning of a text is the same with its space.
  std::vector<int> tokens;
  REQUIRE(old.Encode("the sea", &tokens).ok());
  CHECK(split[1] == std::vector<int32_t>(tokens.begin(), tokens.end()));
  CHECK(split.back().empty());  // a control symbol has no text
}
