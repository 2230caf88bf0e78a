#include "parallel/linear.h"

namespace swallow {

void linear_forward(const TensorParallel& tp, const Tensor& x, const Tensor& w, const Tensor& y) {
  launch(tp.stream, Gemm{.a = x.as_matrix(),
                         .b = w,
                         .c = y.as_matrix(),
                         .workspace = tp.gemm_workspace,
                         .transpose_b = Transpose::yes});
}

void linear_backward_input(const TensorParallel& tp, const Tensor& dy, const Tensor& w,
                           const Tensor& dx) {
  launch(tp.stream,
         Gemm{.a = dy.as_matrix(), .b = w, .c = dx.as_matrix(), .workspace = tp.gemm_workspace});
}

void linear_backward_weight(const TensorParallel& tp, const Tensor& dy, const Tensor& x,
                            const Tensor& dw, Beta beta) {
  launch(tp.stream, Gemm{.a = dy.as_matrix(),
                         .b = x.as_matrix(),
                         .c = dw,
                         .workspace = tp.gemm_workspace,
                         .transpose_a = Transpose::yes,
                         .beta = beta});
}

void column_parallel_forward(const TensorParallel& tp, const Tensor& x, const Tensor& w,
                             const Tensor& y) {
  linear_forward(tp, enter_region(tp, x), w, y);
}

void column_parallel_backward(const TensorParallel& tp, const Tensor& dy, const Tensor& x,
                              const Tensor& w, const Tensor& dx, const Tensor& dw, Beta beta) {
  linear_backward_weight(tp, dy, enter_region(tp, x), dw, beta);
  linear_backward_input(tp, dy, w, partial_sum(tp, dx));
  leave_region(tp, dx);
}

void row_parallel_forward(const TensorParallel& tp, const Tensor& x, const Tensor& w,
                          const Tensor& y) {
  linear_forward(tp, x, w, partial_sum(tp, y));
  leave_region(tp, y);
}

void row_parallel_backward(const TensorParallel& tp, const Tensor& dy, const Tensor& x,
                           const Tensor& w, const Tensor& dx, const Tensor& dw, Beta beta) {
  const Tensor whole = enter_region(tp, dy);
  linear_backward_input(tp, whole, w, dx);
  linear_backward_weight(tp, whole, x, dw, beta);
}

}  // namespace swallow
