// The tokenizer of an exported folder, made from a SentencePiece model: with that file alone,
// transformers 5 and vLLM leave out <s>, or the space before a text, and so give the model other
// tokens than it was trained on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace swallow {

/// Texts of tokenizer.json and tokenizer_config.json.
struct HuggingFaceTokenizer {
  std::string tokenizer;
  std::string config;
};

/// `max_length`: tokens, what the model can take. A text gets <s> and the tokens of SentencePiece,
/// but for two things that the format cannot say: the name of a control symbol in a text becomes
/// that symbol, and of merges with one score that overlap, the one of the lower id comes first.
/// nullopt when the model splits text by more than merges of byte pairs, as Llama 2's does not.
/// Throws DataError when the file is no model.
std::optional<HuggingFaceTokenizer> hugging_face_tokenizer(const std::string& model,
                                                           int64_t max_length);

}  // namespace swallow
