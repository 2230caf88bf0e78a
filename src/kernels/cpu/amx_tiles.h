// The state of AMX: eight tiles of 16 rows of 64 bytes. Internal to each file that includes it, see
// panel_kernels.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace swallow::cpu {
namespace {

/// What LDTILECFG reads: palette 1, and eight tiles of 16 rows of 64 bytes.
struct TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

inline void configure_tiles() {
  static constexpr TileConfig config;
  _tile_loadconfig(&config);
}

inline void release_tiles() {
  _tile_release();
}

}  // namespace
}  // namespace swallow::cpu
