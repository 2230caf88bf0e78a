#include "kernels/cpu/cpu_features.h"

#include <algorithm>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace swallow::cpu {

namespace {

#if defined(__x86_64__)

bool has_avx512() {
  // These ask cpuid, and whether the kernel saves the wide registers.
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
}

/// Register `eax` or `edx` of a leaf of cpuid; 0 where the CPU has no such leaf.
struct Leaf {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  Leaf(unsigned leaf, unsigned subleaf) {
    if (__get_cpuid_count(leaf, subleaf, &eax, &ebx, &ecx, &edx) == 0) eax = edx = 0;
  }
};

bool has_avx512_bf16() {
  return (Leaf(7, 1).eax >> 5U & 1U) != 0;
}

bool has_amx() {
#if defined(__linux__)
  const unsigned features = Leaf(7, 0).edx;
  const bool tiles = (features >> 24U & 1U) != 0;
  const bool bf16 = (features >> 22U & 1U) != 0;
  // Documentation/arch/x86/xstate.rst: tiles' registers are saved only for processes that asked.
  constexpr long request_permission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long tile_data = 18;               // XFEATURE_XTILEDATA
  return tiles && bf16 && syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}

#endif

/// Kept on the stream.
struct StreamLevel {
  CpuLevel level = detect_cpu_level();
};

}  // namespace

std::string_view name_of(CpuLevel level) {
  switch (level) {
    case CpuLevel::plain:
      return "plain";
    case CpuLevel::avx512:
      return "avx512";
    case CpuLevel::avx512_bf16:
      return "avx512_bf16";
    case CpuLevel::amx:
      return "amx";
  }
  return "?";
}

CpuLevel detect_cpu_level() {
#if defined(__x86_64__)
  if (!has_avx512()) return CpuLevel::plain;
  if (!has_avx512_bf16()) return CpuLevel::avx512;
  return has_amx() ? CpuLevel::amx : CpuLevel::avx512_bf16;
#else
  return CpuLevel::plain;
#endif
}

CpuLevel cpu_level(Stream& stream) {
  return stream.extension<StreamLevel>().level;
}

void limit_cpu_level(Stream& stream, CpuLevel level) {
  stream.extension<StreamLevel>().level = std::min(level, detect_cpu_level());
}

}  // namespace swallow::cpu
