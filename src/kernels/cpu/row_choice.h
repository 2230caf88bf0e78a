// The row kernels of a stream's level.
#pragma once

#include <type_traits>

#include "kernels/cpu/cpu_features.h"
#include "kernels/cpu/row_kernels.h"

namespace swallow::cpu {

template <class T>
const RowKernels<T>& rows_for(Stream& stream) {
  if constexpr (std::is_same_v<T, double>) {
    return kPlainF64Rows;
  } else {
    constexpr bool bf16 = std::is_same_v<T, bfloat16>;
#if defined(__x86_64__)
    if (cpu_level(stream) >= CpuLevel::avx512) {
      if constexpr (bf16) return kAvx512Bf16Rows;
      if constexpr (!bf16) return kAvx512F32Rows;
    }
#endif
    if constexpr (bf16) return kPlainBf16Rows;
    if constexpr (!bf16) return kPlainF32Rows;
  }
}

}  // namespace swallow::cpu
