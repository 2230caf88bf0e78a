// Matrix products through oneDNN. Which of onednn_gemm.cpp and no_onednn_gemm.cpp is compiled is
// the build's choice (SWALLOW_ONEDNN), so callers need no #ifdef.
#pragma once

#include "kernels/gemm.h"

namespace swallow::cpu {

/// Computes `op` and returns true, or returns false, having done nothing, when oneDNN is absent or
/// has no fast kernel for these types on this machine. `op` is checked and not empty.
[[nodiscard]] bool onednn_gemm(Stream& stream, const Gemm& op);

}  // namespace swallow::cpu
