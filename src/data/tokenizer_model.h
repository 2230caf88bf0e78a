// The facts of a SentencePiece model file, read without the SentencePiece library: the trainer
// needs only the size of the vocabulary, and older libraries can be corrupted by a crafted model
// (CVE-2026-1260), so the shape of the file is checked here before one of them sees it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace swallow {

struct TokenizerInfo {
  int64_t vocab_size = 0;
  int32_t bos = -1;  // begin of sequence, normally <s>; -1: the model has none
  int32_t eos = -1;  // end of sequence, normally </s>
  int32_t unk = -1;  // what stands for unknown text, normally <unk>
  /// The text is changed in no way but writing U+2581 for each space, and its tokens are those of
  /// byte-pair encoding with single bytes for unknown characters: what TextCuts builds on. Llama
  /// 2's tokenizer and those extended from it are so.
  bool plain_merges = false;
  bool dummy_prefix = true;  // a space is put before the text
};

/// Walks the protobuf messages ModelProto, its pieces and its trainer_spec. DataError names `file`
/// and the offset where the bytes stop being one.
[[nodiscard]] TokenizerInfo parse_tokenizer_model(std::span<const std::byte> bytes,
                                                  std::string_view file);

/// The same for a file of at most 64 MiB.
[[nodiscard]] TokenizerInfo tokenizer_info(const std::string& path);

/// As the file numbers them.
enum class PieceType : uint8_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

/// A token as the model spells it, with U+2581 for a space.
struct TokenizerPiece {
  std::string text;
  PieceType type = PieceType::normal;
  float score = 0;  // of byte-pair encoding: the pair that makes the highest is merged first
  [[nodiscard]] bool has_text() const noexcept {
    return type == PieceType::normal || type == PieceType::user_defined;
  }
};

/// All tokens of a model, by id. DataError as parse_tokenizer_model().
[[nodiscard]] std::vector<TokenizerPiece> tokenizer_pieces(const std::string& path);

}  // namespace swallow
