// The facts of a SentencePiece model file, read without the SentencePiece library: the trainer
// needs only the size of the vocabulary, and older libraries can be corrupted by a crafted model
// (CVE-2026-1260), so the shape of the file is checked here before one of them sees it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace swallow {

struct TokenizerInfo {
  int64_t vocab_size = 0;
  int32_t bos = -1;  // begin of sequence, normally <s>; -1: the model has none
  int32_t eos = -1;  // end of sequence, normally </s>
};

/// Walks the protobuf messages ModelProto, its pieces and its trainer_spec. DataError names `file`
/// and the offset where the bytes stop being one.
[[nodiscard]] TokenizerInfo parse_tokenizer_model(std::span<const std::byte> bytes,
                                                  std::string_view file);

/// The same for a file of at most 64 MiB.
[[nodiscard]] TokenizerInfo tokenizer_info(const std::string& path);

}  // namespace swallow
