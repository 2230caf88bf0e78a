// A tree over the characters of a vocabulary's pieces. It is a double array: the child of a node by
// a character lies in the entry at the node's base plus the character, and names its parent. A step
// reads one entry of 8 bytes, and children of one node lie in the gaps between those of others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace swallow {

class PieceTrie {
 public:
  /// Pieces may be empty and repeat.
  explicit PieceTrie(std::span<const std::u32string> pieces);

  /// Where a walk stands; a new one is at the root.
  struct Place {
    uint32_t node = kRoot;
    uint32_t base = 0;
    bool ends_piece = false;
  };

  /// Goes on by one character; false, and nothing changes, when no piece does.
  bool step(Place& place, char32_t character) const {
    const uint32_t child = place.base + static_cast<uint32_t>(character);
    if (child >= entries_.size()) return false;
    const Entry& entry = entries_[child];
    if (entry.owner / 2 != place.node) return false;
    place = {child, entry.base, entry.owner % 2 != 0};
    return true;
  }

 private:
  static constexpr uint32_t kRoot = UINT32_MAX / 2 - 1;
  static constexpr uint32_t kFree = UINT32_MAX;
  struct Entry {
    uint32_t base = 0;       // the sum wraps around: a base may be below 0
    uint32_t owner = kFree;  // the parent, times 2, plus 1 when a piece ends here
  };
  static_assert(sizeof(Entry) == 8);

  /// A node whose children are still to be put down: `pieces`, sorted, begin with its characters.
  struct Branch {
    uint32_t node = kRoot;
    size_t depth = 0;  // characters
    std::span<const std::u32string_view> pieces;
  };

  [[nodiscard]] bool is_free(uint32_t at) const;
  [[nodiscard]] uint32_t base_for(std::u32string_view characters);
  void grow(const Branch& branch, std::vector<Branch>& later);

  std::vector<Entry> entries_;
  uint32_t first_free_ = 0;   // none is free before it
  uint32_t search_from_ = 0;  // where room for several children is looked for
};

}  // namespace swallow
