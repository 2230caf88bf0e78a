// Matrix products by panels: the kernels of this machine's instruction sets that beat oneDNN's.
#pragma once

#include "kernels/gemm.h"

namespace swallow::cpu {

/// Computes `op` and returns true, or returns false, having done nothing, where the stream's level
/// has no panels for its types. `op` is checked and not empty. Bits depend on the level and the
/// sizes alone.
[[nodiscard]] bool packed_gemm(Stream& stream, const Gemm& op);

}  // namespace swallow::cpu
