// Text to tokens with a SentencePiece model. The library is optional when building: without it the
// constructor says what to install.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/token_cache.h"
#include "data/tokenizer_model.h"

namespace swallow {

/// How a text is prepared before it is split: as the model was trained, which puts a space before
/// it, or exactly as it is, which suits a part of a word.
enum class TextPreparation : uint8_t { as_trained, verbatim };

class Tokenizer {
 public:
  /// ConfigError when built without SentencePiece; DataError when the file is no model.
  explicit Tokenizer(const std::string& model_path,
                     TextPreparation preparation = TextPreparation::as_trained);
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;
  ~Tokenizer();

  /// Appends the tokens of `text`, which is valid UTF-8, without BOS or EOS: those that
  /// SentencePiece gives for the whole of it. Where the model allows, it is asked part by part
  /// (TextCuts), and only for parts that `cache` does not hold. May be called from several threads
  /// at once, each with its own cache; a cache serves one tokenizer.
  void encode(std::string_view text, TokenCache& cache, std::vector<int32_t>& tokens) const;
  [[nodiscard]] const TokenizerInfo& info() const noexcept { return info_; }

 private:
  struct Library;
  TokenizerInfo info_;
  std::unique_ptr<Library> library_;
};

}  // namespace swallow
