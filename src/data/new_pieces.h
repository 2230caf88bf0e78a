// How an extended vocabulary relates to the one it grew from: Swallow's 43,176 tokens are Llama 2's
// 32,000 and 11,176 Japanese ones behind them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace swallow {

/// For each token of the model `extended` behind those of `old`: the tokens that `old` splits its
/// surface into, a space where the piece has U+2581 and none before it. Empty for a token without
/// text. Throws DataError naming the first id where the old tokens are not the extended ones' head;
/// ConfigError without SentencePiece.
std::vector<std::vector<int32_t>> split_new_pieces(const std::string& old,
                                                   const std::string& extended);

/// The check on its own, without SentencePiece; returns how many tokens each has.
struct VocabularySizes {
  int64_t old = 0;
  int64_t extended = 0;
};
VocabularySizes check_extension(const std::string& old, const std::string& extended);

}  // namespace swallow
