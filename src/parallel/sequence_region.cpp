#include "parallel/sequence_region.h"

namespace swallow {

Tensor enter_region(const TensorParallel& tp, const Tensor& local) {
  if (!tp.sequence_parallel) return local;
  tp.group.all_gather(tp.stream, tp.gathered, local);
  return tp.gathered;
}

Tensor partial_sum(const TensorParallel& tp, const Tensor& local) {
  return tp.sequence_parallel ? tp.partial : local;
}

void leave_region(const TensorParallel& tp, const Tensor& local) {
  if (tp.sequence_parallel) {
    tp.group.reduce_scatter(tp.stream, local, tp.partial);
  } else if (tp.group.size() > 1) {
    tp.group.all_reduce(tp.stream, local, ReduceOp::sum);
  }
}

}  // namespace swallow
