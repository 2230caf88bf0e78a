// The layers that are split along the vocabulary: the embedding, the cross-entropy, and the output
// layer with it. The output layer works through the tokens in chunks, so that the logits of a whole
// micro-batch, the largest tensor there is, need not exist at once.
#pragma once

#include <cstdint>

#include "kernels/gemm.h"
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

/// The columns that a rank holds of the logits, and scratch for the statistics of `rows` tokens.
struct VocabSlice {
  int64_t start = 0;  // global id of column 0
  int64_t valid = 0;  // columns that are not padding
  Tensor maxima;      // [rows] main type
  Tensor local;       // [rows] main type
  Tensor sums;        // [2, rows] main type

  /// The same for the first `count` of the rows.
  [[nodiscard]] VocabSlice first(int64_t count) const;
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

/// The output layer and its loss.
struct VocabParallelHead {
  Tensor x;          // [s/t, b, h] normalised input
  Tensor w;          // [v/t, h]
  Tensor targets;    // [s * b] i32
  Tensor logits;     // [rows, v/t] scratch: the chunk; any number of rows from 1 to s * b
  VocabSlice slice;  // of as many rows
  Tensor loss;       // [1] f64, added to
};

/// loss += sum over tokens of -log softmax(enter(x) w^T)[target].
void vocab_parallel_head_loss(const TensorParallel& tp, const VocabParallelHead& head);

/// The same, and dx = leave(dlogits w), dw = beta dw + dlogits^T enter(x), `scale` being the factor
/// of every token's loss.  dx [s/t, b, h], dw [v/t, h] main type
void vocab_parallel_head_loss_and_gradients(const TensorParallel& tp, const VocabParallelHead& head,
                                            double scale, const Tensor& dx, const Tensor& dw,
                                            Beta beta);

}  // namespace swallow
