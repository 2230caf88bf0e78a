// The two layers that are split along the vocabulary: the embedding and the cross-entropy.
#pragma once

#include <cstdint>

#include "parallel/sequence_region.h"
#include "tensor/tensor.h"

namespace swallow {

/// y = leave(rows of the table for this rank's ids, zero elsewhere).
/// ids [s, b] i32, table [v/t, h], y [s/t, b, h]
void vocab_parallel_embedding_forward(const TensorParallel& tp, const Tensor& ids,
                                      const Tensor& table, const Tensor& y, int64_t vocab_start);

/// dtable += rows of enter(dy).
void vocab_parallel_embedding_backward(const TensorParallel& tp, const Tensor& ids,
                                       const Tensor& dy, const Tensor& dtable, int64_t vocab_start);

/// The columns that a rank holds of the logits, and scratch for the statistics of its rows.
struct VocabSlice {
  int64_t start = 0;  // global id of column 0
  int64_t valid = 0;  // columns that are not padding
  Tensor maxima;      // [s * b] main type
  Tensor local;       // [s * b] main type
  Tensor sums;        // [2, s * b] main type
};

/// loss += sum over tokens of -log softmax(logits)[target]; leaves global statistics in `slice` for
/// the backward pass.  logits [s * b, v/t], targets [s * b] i32, loss [1] f64
void vocab_parallel_cross_entropy_forward(const TensorParallel& tp, const Tensor& logits,
                                          const Tensor& targets, const VocabSlice& slice,
                                          const Tensor& loss);

/// logits := scale * (softmax(logits) - one_hot(targets)), in place.
void vocab_parallel_cross_entropy_backward(const TensorParallel& tp, const Tensor& logits,
                                           const Tensor& targets, const VocabSlice& slice,
                                           double scale);

}  // namespace swallow
