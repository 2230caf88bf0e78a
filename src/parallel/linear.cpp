#include "parallel/linear.h"

#include "kernels/gemm.h"

namespace swallow {

namespace {

void linear_forward(Stream& stream, const Tensor& x, const Tensor& w, const Tensor& y) {
  launch(stream,
         Gemm{.a = x.as_matrix(), .b = w, .c = y.as_matrix(), .transpose_b = Transpose::yes});
}

void linear_backward_input(Stream& stream, const Tensor& dy, const Tensor& w, const Tensor& dx) {
  launch(stream, Gemm{.a = dy.as_matrix(), .b = w, .c = dx.as_matrix()});
}

void linear_backward_weight(Stream& stream, const Tensor& dy, const Tensor& x, const Tensor& dw) {
  launch(stream, Gemm{.a = dy.as_matrix(),
                      .b = x.as_matrix(),
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
