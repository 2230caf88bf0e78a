#include "kernels/cpu/attention_tile.h"

#include "kernels/cpu/wide_attention.h"

namespace swallow::cpu {

namespace {
constexpr int64_t kAlignment = 256;  // parts of threads share no cache line
}

int64_t attention_delta_bytes(const AttentionShape& shape, DType dtype) {
  return round_up(shape.batch * shape.heads * shape.sequence * size_of(accumulate_dtype(dtype)),
                  kAlignment);
}

int64_t attention_scratch_bytes(const AttentionShape& shape, DType dtype) {
  const int64_t bytes =
      dtype == DType::f64
          ? AttentionScratch<double>::elements(shape) * static_cast<int64_t>(sizeof(double))
          : AttentionScratch<float>::elements(shape) * static_cast<int64_t>(sizeof(float));
  return round_up(std::max(bytes, wide_attention_scratch_bytes(shape, dtype)), kAlignment);
}

int64_t attention_workspace_bytes(const AttentionShape& shape, DType dtype, int num_threads) {
  return attention_delta_bytes(shape, dtype) + num_threads * attention_scratch_bytes(shape, dtype);
}

void check_attention_workspace(const Tensor& workspace, const AttentionShape& shape, DType dtype,
                               int num_threads) {
  const int64_t needed = attention_workspace_bytes(shape, dtype, num_threads);
  SWALLOW_CHECK(workspace.bytes() >= needed, "attention: workspace {}, {} threads need {} bytes",
                to_string(workspace), num_threads, needed);
}

}  // namespace swallow::cpu
