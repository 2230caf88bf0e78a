// Cross-entropy over a vocabulary that is split by columns over the tensor-parallel group. Three
// steps, with a maximum and a sum over the group between them:
//   1. CrossEntropyLocal:   each rank's row maximum, sum of exp, and target logit, in one pass;
//   2. (all-reduce max of a copy of the maxima), CrossEntropyRescale: sums brought to the global
//      maximum; (all-reduce sum of `sums`);
//   3. CrossEntropyLoss adds the rows' losses; CrossEntropyBackward overwrites logits by dlogits.
// Columns at or beyond `valid` are padding: they count as minus infinity and get zero gradient, so
// the loss does not depend on how the vocabulary was padded. A target outside this rank's columns
// contributes nothing here. Bandwidth-bound: logits are read once forward, read and written once
// backward.
#pragma once

#include <cstdint>

#include "kernels/launch.h"
#include "tensor/tensor.h"

namespace swallow {

struct CrossEntropyLocal {
  Tensor logits;   // [rows, v/t]
  Tensor targets;  // [rows] i32, global ids
  Tensor maxima;   // [rows] out, accumulation type: maximum over valid columns
  Tensor sums;  // [2, rows] out, accumulation type: sum of exp(logit - maximum); target logit or 0
  int64_t vocab_start = 0;  // global id of column 0
  int64_t valid = 0;        // columns of this rank that are not padding, 0 .. v/t
  void check() const;
};

/// sums[0, i] *= exp(local[i] - global[i]).
struct CrossEntropyRescale {
  Tensor local_maxima;   // [rows]
  Tensor global_maxima;  // [rows]
  Tensor sums;           // [2, rows] in and out
  void check() const;
};

/// Partial sums of the loss; a GPU gives each a thread of one block.
inline constexpr int64_t kLossLanes = 1024;

/// loss += sum over rows of (log(sum) + maximum - target logit), in double precision: lane l adds
/// rows l, l + kLossLanes, ... in this order, then the upper half of the lanes is added to the
/// lower one until one is left.
struct CrossEntropyLoss {
  Tensor global_maxima;  // [rows]
  Tensor sums;           // [2, rows] reduced over the group
  Tensor loss;           // [1] f64, added to
  void check() const;
};

/// logits[i, j] = (softmax(logits)[i, j] - [j is the target]) * scale, rounded to the logits' type.
struct CrossEntropyBackward {
  Tensor logits;         // [rows, v/t] in: logits, out: dlogits
  Tensor targets;        // [rows] i32
  Tensor global_maxima;  // [rows]
  Tensor sums;           // [2, rows] reduced over the group
  int64_t vocab_start = 0;
  int64_t valid = 0;
  double scale = 1;  // the one place where the loss is divided by the number of tokens
  void check() const;
};

namespace cpu {
void run(Stream& stream, const CrossEntropyLocal& op);
void run(Stream& stream, const CrossEntropyRescale& op);
void run(Stream& stream, const CrossEntropyLoss& op);
void run(Stream& stream, const CrossEntropyBackward& op);
}  // namespace cpu

namespace cuda {
void run(Stream& stream, const CrossEntropyLocal& op);
void run(Stream& stream, const CrossEntropyRescale& op);
void run(Stream& stream, const CrossEntropyLoss& op);
void run(Stream& stream, const CrossEntropyBackward& op);
}  // namespace cuda

}  // namespace swallow
