// The fixture that NumPy made (scripts/make_data_fixtures.py), and how its digests of long arrays
// are compared.
#pragma once

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace swallow::test {

/// CRC-32 as zlib computes it, of the values as little-endian int64.
inline uint32_t crc32_of(const std::vector<int64_t>& values) {
  static const auto kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
      table[i] = i;
      for (int bit = 0; bit < 8; ++bit)
        table[i] = (table[i] >> 1) ^ (table[i] % 2 == 1 ? 0xedb88320U : 0U);
    }
    return table;
  }();
  uint32_t crc = ~0U;
  for (const int64_t value : values) {
    for (int byte = 0; byte < 8; ++byte)
      crc = kTable[(crc ^ static_cast<uint32_t>(value >> (8 * byte))) & 0xffU] ^ (crc >> 8);
  }
  return ~crc;
}

/// The ends first: where they differ, a failure shows numbers.
inline void require_digest(const std::vector<int64_t>& values, const nlohmann::json& digest) {
  REQUIRE(values.size() == digest.at("count").get<size_t>());
  const auto kept = static_cast<std::ptrdiff_t>(digest.at("first").size());
  REQUIRE(std::vector<int64_t>(values.begin(), values.begin() + kept) ==
          digest.at("first").get<std::vector<int64_t>>());
  REQUIRE(std::vector<int64_t>(values.end() - kept, values.end()) ==
          digest.at("last").get<std::vector<int64_t>>());
  REQUIRE(crc32_of(values) == digest.at("crc32").get<uint32_t>());
}

inline const nlohmann::json& order_fixture() {
  static const nlohmann::json kFixture = [] {
    std::ifstream file(SWALLOW_SOURCE_DIR "/test/golden/data_order.json");
    return nlohmann::json::parse(file);
  }();
  return kFixture;
}

}  // namespace swallow::test
