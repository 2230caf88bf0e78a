#include "data/piece_trie.h"

#include <algorithm>
#include <utility>

namespace swallow {

namespace {

// Room for several children is looked for from as many entries before where it was last found.
// Further back are small gaps only, and to try them all for every node takes seconds.
constexpr uint32_t kSearched = 64;

}  // namespace

PieceTrie::PieceTrie(std::span<const std::u32string> pieces) {
  std::vector<std::u32string_view> sorted(pieces.begin(), pieces.end());
  std::ranges::sort(sorted);
  // Level by level, so that the many nodes of few children come last and fill the gaps.
  std::vector<Branch> level = {{.pieces = sorted}};
  while (!level.empty()) {
    std::vector<Branch> next;
    for (const Branch& branch : level) grow(branch, next);
    level = std::move(next);
  }
}

bool PieceTrie::is_free(uint32_t at) const {
  return at >= entries_.size() || entries_[at].owner == kFree;
}

/// A base at which a node's children, sorted by their characters, meet free entries.
uint32_t PieceTrie::base_for(std::u32string_view characters) {
  while (!is_free(first_free_)) ++first_free_;
  uint32_t at = characters.size() == 1 ? first_free_ : std::max(first_free_, search_from_);
  const auto base = [&] { return at - static_cast<uint32_t>(characters.front()); };
  const auto is_taken = [&](char32_t c) { return !is_free(base() + static_cast<uint32_t>(c)); };
  while (std::ranges::any_of(characters, is_taken)) ++at;
  search_from_ = std::max(search_from_, at - std::min(at, kSearched));
  return base();
}

void PieceTrie::grow(const Branch& branch, std::vector<Branch>& later) {
  std::u32string characters;
  std::vector<Branch> children;
  for (size_t i = 0; i < branch.pieces.size(); ++i) {
    if (branch.pieces[i].size() == branch.depth) continue;  // the node's own piece
    const char32_t character = branch.pieces[i][branch.depth];
    if (characters.empty() || characters.back() != character) {
      characters.push_back(character);
      children.push_back({.depth = branch.depth + 1, .pieces = branch.pieces.subspan(i, 0)});
    }
    Branch& child = children.back();
    child.pieces = std::span(child.pieces.data(), child.pieces.size() + 1);
  }
  if (characters.empty()) return;

  const bool is_root = branch.node == kRoot;
  const uint32_t base = is_root ? 0 : base_for(characters);
  if (!is_root) entries_[branch.node].base = base;
  const uint32_t last = base + static_cast<uint32_t>(characters.back());
  if (last >= entries_.size()) entries_.resize(size_t{last} + 1);
  for (size_t i = 0; i < children.size(); ++i) {
    children[i].node = base + static_cast<uint32_t>(characters[i]);
    const bool ends_piece = children[i].pieces.front().size() == children[i].depth;
    entries_[children[i].node].owner = branch.node * 2 + (ends_piece ? 1 : 0);
  }
  later.insert(later.end(), children.begin(), children.end());
}

}  // namespace swallow
