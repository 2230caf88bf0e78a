// Vocabulary-parallel embedding lookup. Bandwidth-bound: reads one table row and writes one output
// row a token.
#pragma once

#include <cstdint>

#include "kernels/launch.h"
#include "tensor/tensor.h"

namespace swallow {

/// y[i] = table[ids[i] - vocab_start]; zero where the id belongs to another rank's rows.
struct EmbeddingForward {
  Tensor ids;    // [rows] i32, every id >= 0; a GPU takes others for another rank's
  Tensor table;  // [v/t, h]
  Tensor y;      // [rows, h], dtype of the table
  int64_t vocab_start = 0;
  void check() const;
};

/// dtable[ids[i] - vocab_start] += dy[i] in order of i: sums do not depend on threads.
struct EmbeddingBackward {
  Tensor ids;     // [rows] i32
  Tensor dy;      // [rows, h]
  Tensor dtable;  // [v/t, h], accumulation type
  int64_t vocab_start = 0;
  void check() const;
};

namespace cpu {
void run(Stream& stream, const EmbeddingForward& op);
void run(Stream& stream, const EmbeddingBackward& op);
}  // namespace cpu

namespace cuda {
void run(Stream& stream, const EmbeddingForward& op);
void run(Stream& stream, const EmbeddingBackward& op);
}  // namespace cuda

}  // namespace swallow
