// Column- and row-parallel linear layers (Shoeybi et al., arXiv 1909.08053, section 3), as pairs of
// functions. Weights are [out, in] as in Hugging Face files; y = x w^T. A column-parallel layer
// holds rows of the weight and enters the tensor-parallel region, a row-parallel one holds columns
// and leaves it. Weight gradients are written in the main type, straight from the product: `beta`
// tells whether over what is there or added to it.
#pragma once

#include "kernels/gemm.h"
#include "parallel/sequence_region.h"
#include "tensor/tensor.h"

namespace swallow {

/// The products of a linear layer on this rank alone, between entering and leaving a region.
/// y = x w^T.  x [..., in], w [out, in], y [..., out]
void linear_forward(const TensorParallel& tp, const Tensor& x, const Tensor& w, const Tensor& y);
/// dx = dy w.
void linear_backward_input(const TensorParallel& tp, const Tensor& dy, const Tensor& w,
                           const Tensor& dx);
/// dw = beta dw + dy^T x.
void linear_backward_weight(const TensorParallel& tp, const Tensor& dy, const Tensor& x,
                            const Tensor& dw, Beta beta);

/// y = enter(x) w^T.  x [s/t, b, in], w [out/t, in], y [s, b, out/t]
void column_parallel_forward(const TensorParallel& tp, const Tensor& x, const Tensor& w,
                             const Tensor& y);

/// dw = beta dw + dy^T enter(x); dx = leave(dy w).  The input is gathered again rather than kept.
void column_parallel_backward(const TensorParallel& tp, const Tensor& dy, const Tensor& x,
                              const Tensor& w, const Tensor& dx, const Tensor& dw, Beta beta);

/// y = leave(x w^T).  x [s, b, in/t], w [out, in/t], y [s/t, b, out]
void row_parallel_forward(const TensorParallel& tp, const Tensor& x, const Tensor& w,
                          const Tensor& y);

/// dx = enter(dy) w; dw = beta dw + enter(dy)^T x.
void row_parallel_backward(const TensorParallel& tp, const Tensor& dy, const Tensor& x,
                           const Tensor& w, const Tensor& dx, const Tensor& dw, Beta beta);

}  // namespace swallow
