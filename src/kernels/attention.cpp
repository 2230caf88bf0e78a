#include "kernels/attention.h"

#include <cstdint>

#include "kernels/attention_workspace.h"
#include "kernels/cpu/attention_tile.h"

namespace swallow {

namespace {

void check_sizes(const AttentionShape& shape) {
  SWALLOW_CHECK(shape.sequence >= 0 && shape.batch >= 0, "attention over sequence {}, batch {}",
                shape.sequence, shape.batch);
  SWALLOW_CHECK(shape.heads >= 1 && shape.kv_heads >= 1 && shape.heads % shape.kv_heads == 0,
                "attention with {} heads and {} key/value heads", shape.heads, shape.kv_heads);
  SWALLOW_CHECK(shape.head_dim >= 1, "attention with head dimension {}", shape.head_dim);
}

void require(const Tensor& tensor, DType dtype, const Shape& shape, const char* name) {
  SWALLOW_CHECK(tensor.dtype == dtype && tensor.shape == shape, "attention: {} is {}, not {} {}",
                name, to_string(tensor), name_of(dtype), to_string(shape));
  SWALLOW_CHECK(tensor || tensor.numel() == 0, "attention: {} {} has no memory", name,
                to_string(tensor));
}

/// What both passes share: qkv, out, stats, and a workspace of `least` bytes.
template <class Op, class Least>
void check_common(const Op& op, Least least_bytes) {
  const AttentionShape& shape = op.shape;
  check_sizes(shape);
  const DType dtype = op.qkv.dtype;
  SWALLOW_CHECK(dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f64,
                "attention of {}", to_string(op.qkv));
  // A row's greatest score is sought before scores are scaled.
  SWALLOW_CHECK(op.scale > 0, "attention: scale {} is not above 0", op.scale);
  const int64_t width = (shape.heads + 2 * shape.kv_heads) * shape.head_dim;
  require(op.qkv, dtype, {shape.sequence, shape.batch, width}, "qkv");
  require(op.out, dtype, {shape.sequence, shape.batch, shape.heads * shape.head_dim}, "out");
  require(op.stats, accumulate_dtype(dtype), {shape.batch, shape.heads, shape.sequence}, "stats");
  const int64_t least = least_bytes();
  SWALLOW_CHECK(op.workspace && op.workspace.bytes() >= least,
                "attention: workspace {}, needs at least {} bytes", to_string(op.workspace), least);
  SWALLOW_CHECK(reinterpret_cast<uintptr_t>(op.workspace.data) % 64 == 0,
                "attention: workspace is not aligned to 64 bytes");
}

}  // namespace

void AttentionForward::check() const {
  check_common(*this, [&] {
    return qkv.device.kind == DeviceKind::cpu
               ? cpu::attention_workspace_bytes(shape, qkv.dtype, 1)
               : gpu_attention_forward_workspace(shape, qkv.dtype).total();
  });
}

void AttentionBackward::check() const {
  check_common(*this, [&] {
    return attention_workspace_bytes(qkv.device, shape, qkv.dtype, 1, determinism);
  });
  require(dout, qkv.dtype, out.shape, "dout");
  require(dqkv, qkv.dtype, qkv.shape, "dqkv");
  SWALLOW_CHECK(dqkv.numel() == 0 || (dqkv.data != qkv.data && dqkv.data != dout.data),
                "attention: dqkv must not be the memory of qkv or dout");
}

int64_t attention_workspace_bytes(Device device, const AttentionShape& shape, DType dtype,
                                  int num_threads, Determinism determinism) {
  check_sizes(shape);
  SWALLOW_CHECK(num_threads >= 1, "attention with {} threads", num_threads);
  if (device.kind == DeviceKind::cpu)
    return cpu::attention_workspace_bytes(shape, dtype, num_threads);
  // The backward pass needs no less than the forward one.
  return gpu_attention_backward_workspace(shape, dtype, determinism).total();
}

}  // namespace swallow
