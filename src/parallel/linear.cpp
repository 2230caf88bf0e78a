#include "parallel/linear.h"

#include "kernels/gemm.h"

namespace swallow {

namespace {

/// [s, b, c] as a matrix [s * b, c].
Tensor as_matrix(const Tensor& x) {
  const int64_t columns = x.size(x.rank() - 1);
  return x.view({x.numel() / columns, columns});
}

void linear_forward(Stream& stream, const Tensor& x, const Tensor& w, const Tensor& y) {
  launch(stream, Gemm{.a = as_matrix(x), .b = w, .c = as_matrix(y), .transpose_b = Transpose::yes});
}

void linear_backward_input(Stream& stream, const Tensor& dy, const Tensor& w, const Tensor& dx) {
  launch(stream, Gemm{.a = as_matrix(dy), .b = w, .c = as_matrix(dx)});
}

void linear_backward_weight(Stream& stream, const Tensor& dy, const Tensor& x, const Tensor& dw) {
  launch(stream, Gemm{.a = as_matrix(dy),
                      .b = as_matrix(x),
                      .c = dw,
                      .transpose_a = Transpose::yes,
                      .beta = Beta::one});
}

}  // namespace

void column_parallel_forward(const TensorParallel& tp, const Tensor& x, const Tensor& w,
                             const Tensor& y) {
  linear_forward(tp.stream, enter_region(tp, x), w, y);
}

void column_parallel_backward(const TensorParallel& tp, const Tensor& dy, const Tensor& x,
                              const Tensor& w, const Tensor& dx, const Tensor& dw) {
  linear_backward_weight(tp.stream, dy, enter_region(tp, x), dw);
  linear_backward_input(tp.stream, dy, w, partial_sum(tp, dx));
  leave_region(tp, dx);
}

void row_parallel_forward(const TensorParallel& tp, const Tensor& x, const Tensor& w,
                          const Tensor& y) {
  linear_forward(tp.stream, x, w, partial_sum(tp, y));
  leave_region(tp, y);
}

void row_parallel_backward(const TensorParallel& tp, const Tensor& dy, const Tensor& x,
                           const Tensor& w, const Tensor& dx, const Tensor& dw) {
  const Tensor whole = enter_region(tp, dy);
  linear_backward_input(tp.stream, whole, w, dx);
  linear_backward_weight(tp.stream, whole, x, dw);
}

}  // namespace swallow
