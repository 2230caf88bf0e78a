// Which of the CPU kernels' instruction sets this machine has. The binary itself is compiled for
// SWALLOW_CPU_ARCH; files named after a level are compiled for more and entered at that level only.
#pragma once

#include <cstdint>
#include <string_view>

#include "device/device.h"

namespace swallow::cpu {

/// Each level includes those before it.
enum class CpuLevel : uint8_t {
  plain,        // what the whole binary is compiled for
  avx512,       // AVX-512 F, BW, DQ and VL
  avx512_bf16,  // and dot products of bf16 pairs
  amx,          // and bf16 matrix tiles, which Linux grants on request
};

[[nodiscard]] std::string_view name_of(CpuLevel level);

/// The highest level that this machine and its kernel offer. Asks Linux for the use of AMX tiles.
[[nodiscard]] CpuLevel detect_cpu_level();

/// The level of the kernels that work on `stream` uses: what was detected, or the limit below.
[[nodiscard]] CpuLevel cpu_level(Stream& stream);

/// Keeps the stream from using more than `level`, so that one machine can test them all. Levels
/// differ in the order of their sums, hence in last bits.
void limit_cpu_level(Stream& stream, CpuLevel level);

}  // namespace swallow::cpu
