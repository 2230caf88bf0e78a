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

  /// The tokens of `part`, which is not empty; nothing when they are not here.
  [[nodiscard]] std::span<const int32_t> find(std::string_view part) const {
    const Slot& slot = slots_[place_of(part)];
    const bool hit =
        slot.bytes == part.size() && std::memcmp(slot.text.data(), part.data(), part.size()) == 0;
    return hit ? std::span(slot.tokens).first(slot.count) : std::span<const int32_t>();
  }

  /// Keeps what is small enough.
  void keep(std::string_view part, std::span<const int32_t> tokens) {
    Slot& slot = slots_[place_of(part)];
    if (part.size() > slot.text.size() || tokens.size() > slot.tokens.size()) return;
    slot.bytes = static_cast<uint8_t>(part.size());
    slot.count = static_cast<uint8_t>(tokens.size());
    std::memcpy(slot.text.data(), part.data(), part.size());
    std::memcpy(slot.tokens.data(), tokens.data(), tokens.size_bytes());
  }

 private:
  struct Slot {
    uint8_t bytes = 0;
    uint8_t count = 0;
    std::array<char, 30> text{};
    std::array<int32_t, 8> tokens{};
  };
  static_assert(sizeof(Slot) == 64, "a line of the processor's cache");
  static constexpr size_t kSlots = size_t{1} << 17;  // 8 MiB

  static size_t place_of(std::string_view part) {
    return std::hash<std::string_view>()(part) % kSlots;
  }

  std::vector<Slot> slots_;
};

}  // namespace swallow
