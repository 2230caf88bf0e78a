// The tokens of short parts of text that came before: most of a text is made of few words. For one
// thread; its size is fixed, and a part that falls on the place of another takes it.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace swallow {

class TokenCache {
 public:
  TokenCache() : slots_(kSlots) {}

  /// A part of a text, and where it is kept.
  struct Key {
    std::string_view part;
    size_t slot = 0;
  };

  /// The processor begins to fetch the slot: what is done before it is looked up hides the wait.
  [[nodiscard]] Key key_of(std::string_view part) const {
    const size_t slot = std::hash<std::string_view>()(part) % kSlots;
    __builtin_prefetch(&slots_[slot]);
    return {part, slot};
  }

  /// Appends the tokens of the part, which is not empty; false when they are not here.
  [[nodiscard]] bool append(const Key& key, std::vector<int32_t>& tokens) const {
    const Slot& slot = slots_[key.slot];
    const bool hit = slot.bytes == key.part.size() &&
                     std::memcmp(slot.text.data(), key.part.data(), key.part.size()) == 0;
    if (hit) tokens.insert(tokens.end(), slot.tokens.begin(), slot.tokens.begin() + slot.count);
    return hit;
  }

  /// Keeps what is small enough.
  void keep(const Key& key, std::span<const int32_t> tokens) {
    Slot& slot = slots_[key.slot];
    if (key.part.size() > slot.text.size() || tokens.size() > slot.tokens.size()) return;
    slot.bytes = static_cast<uint8_t>(key.part.size());
    slot.count = static_cast<uint8_t>(tokens.size());
    std::memcpy(slot.text.data(), key.part.data(), key.part.size());
    std::memcpy(slot.tokens.data(), tokens.data(), tokens.size_bytes());
  }

 private:
  struct alignas(64) Slot {
    uint8_t bytes = 0;
    uint8_t count = 0;
    std::array<char, 30> text{};
    std::array<int32_t, 8> tokens{};
  };
  static_assert(sizeof(Slot) == 64, "a line of the processor's cache");
  static constexpr size_t kSlots = size_t{1} << 17;  // 8 MiB

  std::vector<Slot> slots_;
};

}  // namespace swallow
