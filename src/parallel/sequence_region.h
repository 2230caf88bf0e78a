// Entering and leaving a tensor-parallel region. With sequence parallelism (Korthikanti et al.,
// arXiv 2205.05198) activations outside the region are split along the sequence: entering is an
// all-gather, leaving a reduce-scatter. Without it they are whole on every rank: entering is
// nothing, leaving an all-reduce. The two are each other's backward.
#pragma once

#include "comm/communicator.h"
#include "device/device.h"
#include "tensor/tensor.h"

namespace swallow {

/// What the tensor-parallel layers of a rank share.
struct TensorParallel {
  Stream& stream;
  Communicator& group;
  bool sequence_parallel = false;
  Tensor gathered;        // [s, b, h] scratch for inputs; unused without sequence parallelism
  Tensor partial;         // [s, b, h] scratch for sums; unused without sequence parallelism
  Tensor gemm_workspace;  // [gemm_workspace_bytes] u8
};

/// The whole of `local`: gathered into tp.gathered, which the next call overwrites, or `local`.
Tensor enter_region(const TensorParallel& tp, const Tensor& local);  // [s/t, b, h] -> [s, b, h]

/// Where a region's last product, a partial sum over the group, must be written so that
/// leave_region() can bring it to `local`.
Tensor partial_sum(const TensorParallel& tp, const Tensor& local);  // [s, b, h]

/// local = the group's sum of what was written to partial_sum(tp, local).
void leave_region(const TensorParallel& tp, const Tensor& local);  // [s, b, h] -> [s/t, b, h]

}  // namespace swallow
