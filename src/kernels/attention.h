// Causal grouped-query attention that never holds the s x s matrix (FlashAttention: Dao et al.,
// arXiv 2205.14135, 2307.08691). Forward keeps one row statistic, logsumexp, for the backward pass.
// Query head i uses key/value head i / (n/k). Compute-bound: 2 s^2 d n b FLOP forward (causal half
// counted), 2.5 times that backward.
#pragma once

#include <cstdint>

#include "kernels/launch.h"
#include "tensor/tensor.h"

namespace swallow {

/// Sizes shared by both passes; heads are those of this rank.
struct AttentionShape {
  int64_t sequence = 0;  // s
  int64_t batch = 0;     // b
  int64_t heads = 0;     // n/t
  int64_t kv_heads = 0;  // k/t, divides heads
  int64_t head_dim = 0;  // d
};

/// Whether the backward pass gives the same bits on every run. On the CPU it always does; on a GPU
/// the relaxed one is faster and takes less memory, and the last bits of dq may differ.
enum class Determinism : uint8_t { relaxed, deterministic };

struct AttentionForward {
  AttentionShape shape;
  Tensor qkv;        // [s, b, (n + 2k)/t * d] after RoPE: query heads, key heads, value heads
  Tensor out;        // [s, b, n/t * d] out
  Tensor stats;      // [b, n/t, s] out, accumulation type: log(sum(exp(scores))) of each row
  Tensor workspace;  // [>= attention_workspace_bytes] u8
  double scale = 0;  // 1 / sqrt(d); above 0
  void check() const;
};

struct AttentionBackward {
  AttentionShape shape;
  Tensor qkv;        // [s, b, (n + 2k)/t * d]
  Tensor out;        // [s, b, n/t * d]
  Tensor stats;      // [b, n/t, s]
  Tensor dout;       // [s, b, n/t * d]
  Tensor dqkv;       // [s, b, (n + 2k)/t * d] out, written whole
  Tensor workspace;  // [>= attention_workspace_bytes] u8
  double scale = 0;
  Determinism determinism = Determinism::relaxed;
  void check() const;
};

/// Scratch that serves both passes, for `num_threads` workers of a CPU. `dtype` is that of qkv. A
/// GPU need not be there; DeviceError for what it could not compute.
int64_t attention_workspace_bytes(Device device, const AttentionShape& shape, DType dtype,
                                  int num_threads, Determinism determinism);

namespace cpu {
void run(Stream& stream, const AttentionForward& op);
void run(Stream& stream, const AttentionBackward& op);
}  // namespace cpu

namespace cuda {
void run(Stream& stream, const AttentionForward& op);
void run(Stream& stream, const AttentionBackward& op);
}  // namespace cuda

}  // namespace swallow
