// Attention on a GPU: bf16 by cuDNN's fused kernels (attention_graphs.h), f32 by kernels of our own
// (attention_f32.h).
// Forward gives the same bits on every run; so does the backward pass when asked for, while its
// relaxed form adds the tiles of dq in any order. Compute-bound: a good run reaches 60 to 70 % of
// an H100's bf16 peak forward and 50 to 60 % backward at d = 128 and long sequences.
#include <array>
#include <limits>
#include <map>
#include <tuple>

#include "attention_f32.h"
#include "attention_graphs.h"
#include "base/check.h"
#include "cudnn_plan.h"
#include "gpu_types.h"
#include "kernels/attention_workspace.h"
#include "stream.h"

namespace swallow::cuda {

namespace {

enum class Pass : uint8_t { forward, backward, deterministic_backward };

const char* name_of(Pass pass) {
  switch (pass) {
    case Pass::forward:
      return "attention forward";
    case Pass::backward:
      return "attention backward";
    case Pass::deterministic_backward:
      return "deterministic attention backward";
  }
  return "attention";
}

CudnnGraph graph_of(const Cudnn& dnn, Pass pass, const AttentionShape& shape) {
  if (pass == Pass::forward) return attention_forward_graph(dnn, shape);
  return attention_backward_graph(
      dnn, shape, pass == Pass::backward ? Determinism::relaxed : Determinism::deterministic);
}

/// cuDNN on one stream, and a plan for each shape that was met there.
class CudnnAttention {
 public:
  CudnnAttention() {
    // Since 9.6 the engines clear the accumulator of dq themselves.
    constexpr size_t kLeastVersion = 90600;
    if (dnn_.get_version() < kLeastVersion)
      throw DeviceError("cuDNN {} is too old for attention: {} (9.6.0) or later is needed",
                        dnn_.get_version(), kLeastVersion);
    check_cudnn(dnn_, dnn_.create(&handle_), "cudnnCreate");
  }
  CudnnAttention(const CudnnAttention&) = delete;
  CudnnAttention& operator=(const CudnnAttention&) = delete;
  ~CudnnAttention() {
    plans_.clear();
    dnn_.destroy(handle_);
  }

  /// `room`: bytes that were planned for the library.
  const CudnnPlan& plan(cudaStream_t queue, Pass pass, const AttentionShape& x, int64_t room) {
    const Key key{pass, x.sequence, x.batch, x.heads, x.kv_heads, x.head_dim};
    auto found = plans_.find(key);
    if (found == plans_.end()) {
      check_cudnn(dnn_, dnn_.set_stream(handle_, queue), "cudnnSetStream");
      CudnnPlan made(dnn_, handle_, graph_of(dnn_, pass, x), name_of(pass));
      if (made.workspace_bytes() > room)
        throw DeviceError("cuDNN {} asks for {} bytes of workspace for {}, {} were planned",
                          dnn_.get_version(), made.workspace_bytes(), name_of(pass), room);
      found = plans_.emplace(key, std::move(made)).first;
    }
    return found->second;
  }

 private:
  using Key = std::tuple<Pass, int64_t, int64_t, int64_t, int64_t, int64_t>;

  Cudnn dnn_;
  cudnnHandle_t handle_ = nullptr;
  std::map<Key, CudnnPlan> plans_;
};

/// The query, key and value heads within a tensor like qkv.
struct PackedHeads {
  void* query;
  void* key;
  void* value;

  PackedHeads(const Tensor& packed, const AttentionShape& shape) {
    auto* first = static_cast<std::byte*>(packed.data);
    const int64_t head_bytes = shape.head_dim * size_of(packed.dtype);
    query = first;
    key = first + shape.heads * head_bytes;
    value = first + (shape.heads + shape.kv_heads) * head_bytes;
  }
};

/// cuDNN's kernels read 16 bytes at a time; whole multiples of 8 elements do the rest.
void check_aligned(std::initializer_list<Tensor> tensors) {
  for (const Tensor& tensor : tensors)
    SWALLOW_CHECK(is_aligned(tensor), "attention: {} is not aligned to 16 bytes",
                  to_string(tensor));
}

void cudnn_forward(Stream& stream, cudaStream_t queue, const AttentionForward& op) {
  const GpuAttentionWorkspace parts = gpu_attention_forward_workspace(op.shape, op.qkv.dtype);
  const CudnnPlan& plan =
      stream.extension<CudnnAttention>().plan(queue, Pass::forward, op.shape, parts.library);
  auto scale = static_cast<float>(op.scale);
  float minus_infinity = -std::numeric_limits<float>::infinity();
  const PackedHeads in(op.qkv, op.shape);
  constexpr std::array<int64_t, 7> kUids = {kQuery, kKey,   kValue,        kOut,
                                            kStats, kScale, kMinusInfinity};
  const std::array<void*, 7> addresses = {in.query,      in.key, in.value,       op.out.data,
                                          op.stats.data, &scale, &minus_infinity};
  plan.execute(kUids, addresses, op.workspace.data);
}

void cudnn_backward(Stream& stream, cudaStream_t queue, const AttentionBackward& op) {
  const bool relaxed = op.determinism == Determinism::relaxed;
  const GpuAttentionWorkspace parts =
      gpu_attention_backward_workspace(op.shape, op.qkv.dtype, op.determinism);
  const CudnnPlan& plan = stream.extension<CudnnAttention>().plan(
      queue, relaxed ? Pass::backward : Pass::deterministic_backward, op.shape, parts.library);
  auto scale = static_cast<float>(op.scale);
  float minus_infinity = -std::numeric_limits<float>::infinity();
  float one = 1;
  auto* accumulator = static_cast<std::byte*>(op.workspace.data);
  std::byte* row_sums = accumulator + parts.dq_accumulator;
  std::byte* library = row_sums + parts.row_sums;
  const PackedHeads in(op.qkv, op.shape);
  const PackedHeads out(op.dqkv, op.shape);
  constexpr std::array<int64_t, 14> kUids = {
      kQuery, kKey,    kValue, kOut,           kStats, kDout,    kDquery,
      kDkey,  kDvalue, kScale, kMinusInfinity, kOne,   kRowSums, kDqueryAccumulator};
  const std::array<void*, 14> addresses = {
      in.query, in.key,    in.value, op.out.data,     op.stats.data, op.dout.data, out.query,
      out.key,  out.value, &scale,   &minus_infinity, &one,          row_sums,     accumulator};
  // Deterministic, there is no accumulator: the last of them.
  const size_t count = relaxed ? kUids.size() : kUids.size() - 1;
  plan.execute(std::span(kUids).first(count), std::span(addresses).first(count), library);
}

}  // namespace

void run(Stream& stream, const AttentionForward& op) {
  if (op.qkv.numel() == 0) return;
  cudaStream_t queue = enter(stream);
  check_aligned({op.qkv, op.out, op.stats, op.workspace});
  if (op.qkv.dtype == DType::f32) return attention_f32_forward(queue, op);
  cudnn_forward(stream, queue, op);
}

void run(Stream& stream, const AttentionBackward& op) {
  if (op.qkv.numel() == 0) return;
  cudaStream_t queue = enter(stream);
  check_aligned({op.qkv, op.out, op.stats, op.dout, op.dqkv, op.workspace});
  if (op.qkv.dtype == DType::f32) return attention_f32_backward(queue, op);
  cudnn_backward(stream, queue, op);
}

}  // namespace swallow::cuda
