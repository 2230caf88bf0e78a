#include "kernels/attention_workspace.h"

#include "base/check.h"
#include "base/math.h"

namespace swallow {

namespace {

constexpr int64_t kPart = 256;

/// cuDNN asks for up to 256 bytes beside its matrices; the rest is room for other releases of it.
constexpr int64_t kLibraryRoom = 1 << 20;

void check_supported(const AttentionShape& shape, DType dtype) {
  if (dtype != DType::bf16 && dtype != DType::f32)
    throw DeviceError("attention on a GPU takes bf16 or f32, got {}", name_of(dtype));
  const int64_t multiple = dtype == DType::bf16 ? 8 : 4;
  if (shape.head_dim > 128 || shape.head_dim % multiple != 0)
    throw DeviceError(
        "attention on a GPU in {} takes head dimensions up to 128 that are multiples of {}, got {}",
        name_of(dtype), multiple, shape.head_dim);
}

/// The most that cuDNN 9.19's backward engines ask for on compute capability 8.0 and 9.0, found by
/// asking them: test/cuda/attention_support.cpp compares.
int64_t library_bytes(const AttentionShape& shape, Determinism determinism) {
  constexpr int64_t kBf16 = 2;
  const int64_t all_heads = shape.batch * shape.heads;
  // Gradients of keys and values by query head, before they are summed over a group.
  const int64_t of_heads = all_heads * round_up(shape.sequence, 8) * shape.head_dim * kBf16;
  const int64_t grouped = shape.heads == shape.kv_heads ? 0 : 2 * of_heads;
  if (determinism == Determinism::relaxed) return 2 * of_heads + grouped;
  // The gradient of the scores, kept whole.
  return all_heads * round_up(shape.sequence, 64) * round_up(shape.sequence, 128) * kBf16 + grouped;
}

}  // namespace

GpuAttentionWorkspace gpu_attention_forward_workspace(const AttentionShape& shape, DType dtype) {
  check_supported(shape, dtype);
  return {.library = kLibraryRoom};
}

GpuAttentionWorkspace gpu_attention_backward_workspace(const AttentionShape& shape, DType dtype,
                                                       Determinism determinism) {
  check_supported(shape, dtype);
  constexpr int64_t kF32 = 4;
  const int64_t rows = shape.batch * shape.heads * shape.sequence;
  GpuAttentionWorkspace parts{.row_sums = round_up(rows * kF32, kPart), .library = kLibraryRoom};
  if (dtype == DType::f32) return parts;  // our own kernel
  if (determinism == Determinism::relaxed)
    parts.dq_accumulator = round_up(rows * shape.head_dim * kF32, kPart);
  parts.library += round_up(library_bytes(shape, determinism), kPart);
  return parts;
}

}  // namespace swallow
