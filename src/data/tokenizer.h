// Text to tokens with a SentencePiece model. The library is optional when building: without it the
// constructor says what to install.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer_model.h"

namespace swallow {

class Tokenizer {
 public:
  /// ConfigError when built without SentencePiece; DataError when the file is no model.
  explicit Tokenizer(const std::string& model_path);
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;
  ~Tokenizer();

  /// Tokens of `text`, without BOS or EOS. May be called from several threads at once.
  [[nodiscard]] std::vector<int32_t> encode(std::string_view text) const;
  [[nodiscard]] const TokenizerInfo& info() const noexcept { return info_; }

 private:
  struct Library;
  TokenizerInfo info_;
  std::unique_ptr<Library> library_;
};

}  // namespace swallow
