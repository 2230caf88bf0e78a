// How a GPU's attention divides its workspace. Sizes follow from the shape alone, so that a plan
// for a GPU can be made on any machine.
#pragma once

#include <cstdint>

#include "kernels/attention.h"

namespace swallow {

/// Bytes of each part, in this order; every part starts at a multiple of 256 bytes.
struct GpuAttentionWorkspace {
  int64_t dq_accumulator = 0;  // [b, n/t, s, d] f32
  int64_t row_sums = 0;        // [b, n/t, s] f32: dout . out
  int64_t library = 0;         // what cuDNN may ask for

  [[nodiscard]] int64_t total() const noexcept { return dq_accumulator + row_sums + library; }
};

/// Both throw DeviceError for what a GPU does not compute: types other than bf16 and f32, head
/// dimensions above 128 or not a multiple of 8 (f32: 4).
GpuAttentionWorkspace gpu_attention_forward_workspace(const AttentionShape& shape, DType dtype);
GpuAttentionWorkspace gpu_attention_backward_workspace(const AttentionShape& shape, DType dtype,
                                                       Determinism determinism);

}  // namespace swallow
