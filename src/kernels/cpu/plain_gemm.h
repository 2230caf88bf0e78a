// Our own matrix product: every type, every machine. Each element is summed over k in rising order,
// so its bits depend neither on threads nor on the tiling.
#pragma once

#include "kernels/gemm.h"

namespace swallow::cpu {

/// Computes `op`, whose arguments have been checked. Allocates its packing buffers on the stream's
/// first call.
void plain_gemm(Stream& stream, const Gemm& op);

}  // namespace swallow::cpu
