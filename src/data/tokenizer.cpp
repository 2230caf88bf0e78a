// The only file that knows whether SentencePiece is there.
#include "data/tokenizer.h"

#include "base/check.h"

#ifdef SWALLOW_HAS_SENTENCEPIECE

#include <sentencepiece_processor.h>

namespace swallow {

struct Tokenizer::Library {
  sentencepiece::SentencePieceProcessor processor;
};

Tokenizer::Tokenizer(const std::string& model_path)
    : info_(tokenizer_info(model_path)), library_(std::make_unique<Library>()) {
  const auto status = library_->processor.Load(model_path);
  if (!status.ok()) throw DataError("{}: {}", model_path, status.ToString());
  if (library_->processor.GetPieceSize() != info_.vocab_size) {
    throw DataError("{}: holds {} pieces, but SentencePiece loads {}", model_path, info_.vocab_size,
                    library_->processor.GetPieceSize());
  }
}

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<int> tokens;
  const auto status = library_->processor.Encode(text, &tokens);
  if (!status.ok()) throw DataError("SentencePiece cannot encode: {}", status.ToString());
  return tokens;
}

}  // namespace swallow

#else

namespace swallow {

struct Tokenizer::Library {};

Tokenizer::Tokenizer(const std::string& model_path) {
  throw ConfigError(
      "--tokenizer-model {}: this binary was built without SentencePiece; install "
      "libsentencepiece-dev (Debian, Ubuntu) and build again",
      model_path);
}

std::vector<int32_t> Tokenizer::encode(std::string_view /*text*/) const {
  throw ContractError("encode() without SentencePiece");
}

}  // namespace swallow

#endif

namespace swallow {

Tokenizer::~Tokenizer() = default;

}  // namespace swallow
