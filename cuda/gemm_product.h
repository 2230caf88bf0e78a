// A product in cuBLASLt's terms. The library's matrices are column-major, so a row-major matrix is,
// to it, its own transpose: c = op(a) op(b) is asked for as c^T = op(b)^T op(a)^T, with b as the
// first operand. A stored matrix [rows, columns] is described as columns x rows with leading
// dimension `columns`; the two transpositions cancel, so op() stays what it is.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <optional>
#include <vector>

#include "cublas.h"
#include "gemm_table.h"

namespace swallow::cuda {

/// Throws DeviceError for a type that products on a GPU do not take.
cudaDataType_t lt_type(DType dtype);

GemmKey key_of(const Gemm& op);

class LtProduct {
 public:
  /// `context` outlives the product.
  LtProduct(const LtContext& context, const GemmKey& key);

  /// Kernels that fit the types, alignments and workspace, the library's favourite first. Throws
  /// DeviceError when there is none.
  [[nodiscard]] std::vector<cublasLtMatmulAlgo_t> candidates() const;

  /// Whether a stored kernel is one that the library would run for this product.
  [[nodiscard]] bool accepts(const AlgorithmData& algorithm) const;

  /// Queues the product of op's inputs, written to (or added to) `c` instead of op.c. Fails without
  /// having queued anything.
  cublasStatus_t enqueue(const cublasLtMatmulAlgo_t& algorithm, const Gemm& op, void* c,
                         cudaStream_t queue) const;

 private:
  using Layout = LtDescriptor<cublasLtMatrixLayoutOpaque_t>;

  [[nodiscard]] Layout make_layout(DType dtype, int64_t rows, int64_t columns) const;

  const LtContext& context_;
  GemmKey key_;
  LtDescriptor<cublasLtMatmulDescOpaque_t> description_;
  Layout a_, b_, c_;
};

}  // namespace swallow::cuda
