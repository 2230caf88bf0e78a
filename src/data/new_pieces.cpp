#include "data/new_pieces.h"

#include <algorithm>

#include "base/check.h"
#include "data/tokenizer.h"

namespace swallow {

namespace {

constexpr std::string_view kSpace = "\xe2\x96\x81";  // U+2581

std::string surface_of(const std::string& piece) {
  std::string text;
  for (size_t at = 0; at < piece.size();) {
    const bool space = piece.compare(at, kSpace.size(), kSpace) == 0;
    text += space ? ' ' : piece[at];
    at += space ? kSpace.size() : 1;
  }
  return text;
}

void check_head(const std::vector<TokenizerPiece>& old, const std::vector<TokenizerPiece>& all,
                const std::string& old_path, const std::string& path) {
  const size_t common = std::min(old.size(), all.size());
  for (size_t id = 0; id < common; ++id)
    if (old[id].text != all[id].text || old[id].has_text() != all[id].has_text())
      throw DataError(
          "{}: token {} is \"{}\", in {} it is \"{}\"; expected every token of the old "
          "model in its place",
          path, id, all[id].text, old_path, old[id].text);
  if (all.size() <= old.size())
    throw DataError("{}: {} tokens; expected more than the {} of {}", path, all.size(), old.size(),
                    old_path);
}

}  // namespace

std::vector<std::vector<int32_t>> split_new_pieces(const std::string& old,
                                                   const std::string& extended) {
  const std::vector<TokenizerPiece> old_pieces = tokenizer_pieces(old);
  const std::vector<TokenizerPiece> pieces = tokenizer_pieces(extended);
  check_head(old_pieces, pieces, old, extended);
  const Tokenizer tokenizer(old, TextPreparation::verbatim);
  TokenCache cache;
  std::vector<std::vector<int32_t>> split(pieces.size() - old_pieces.size());
  for (size_t i = 0; i < split.size(); ++i) {
    const TokenizerPiece& piece = pieces[old_pieces.size() + i];
    if (piece.has_text()) tokenizer.encode(surface_of(piece.text), cache, split[i]);
  }
  return split;
}

VocabularySizes check_extension(const std::string& old, const std::string& extended) {
  const std::vector<TokenizerPiece> old_pieces = tokenizer_pieces(old);
  const std::vector<TokenizerPiece> pieces = tokenizer_pieces(extended);
  check_head(old_pieces, pieces, old, extended);
  return {std::ssize(old_pieces), std::ssize(pieces)};
}

}  // namespace swallow
