// Attention as graphs of operations that cuDNN recognises and runs as one fused kernel a pass
// (FlashAttention-2; the matrix of scores never exists in memory). The tensors are ours: query, key
// and value heads are views into the packed qkv by strides.
#pragma once

#include <cstdint>

#include "cudnn_graph.h"
#include "kernels/attention.h"

namespace swallow::cuda {

/// Names of the graphs' tensors, under which their addresses are given.
enum AttentionUid : int64_t {
  kQuery = 1,
  kKey,
  kValue,
  kOut,
  kStats,
  kDout,
  kDquery,
  kDkey,
  kDvalue,
  kScale,              // by value
  kMinusInfinity,      // by value
  kOne,                // by value
  kDqueryAccumulator,  // [b, n, s, d] f32 scratch that need not be zero; not when deterministic
  kRowSums,            // [b, n, s] f32 scratch: dout . out of each row
};

[[nodiscard]] CudnnGraph attention_forward_graph(const Cudnn& dnn, const AttentionShape& shape);

/// Key tiles add into the fp32 accumulator of dq in any order; deterministic, each row of dq is
/// one matrix product instead, whose left operand [b, n, s, s] cuDNN keeps in its workspace.
[[nodiscard]] CudnnGraph attention_backward_graph(const Cudnn& dnn, const AttentionShape& shape,
                                                  Determinism determinism);

}  // namespace swallow::cuda
