// Philox4x32-10, a counter-based random generator (Salmon et al., "Parallel random numbers: as easy
// as 1, 2, 3", SC'11). A number is a pure function of (seed, stream, element), so initial weights
// do not depend on the process grid and there is no generator state to save.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

namespace swallow {

using PhiloxBlock = std::array<uint32_t, 4>;

/// The 128-bit block at `counter` under `key`, ten rounds.
inline PhiloxBlock philox(PhiloxBlock counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53U} * counter[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57U} * counter[2];
    counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(p1),
               static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(p0)};
    key[0] += 0x9E3779B9U;
    key[1] += 0xBB67AE85U;
  }
  return counter;
}

/// FNV-1a of a tensor's canonical name: its random stream.
constexpr uint64_t stream_of(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3ULL;
  return hash;
}

/// Standard normal number of one element, by Box-Muller in double precision.
inline double philox_normal(uint64_t seed, uint64_t stream, uint64_t element) {
  const PhiloxBlock block =
      philox({static_cast<uint32_t>(element), static_cast<uint32_t>(element >> 32),
              static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)},
             {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  const double u = (static_cast<double>(block[0]) + 0.5) * 0x1p-32;  // in (0, 1): log is finite
  const double v = (static_cast<double>(block[1]) + 0.5) * 0x1p-32;
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

}  // namespace swallow
