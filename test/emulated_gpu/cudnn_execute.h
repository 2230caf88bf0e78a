// Runs a graph of an emulated cuDNN node by node, in double, rounding to each tensor's type.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <map>
#include <memory>

#include "cudnn_descriptors.h"

namespace emulated_cudnn {

/// What every plan asks for, and fills with NaN before and after it runs: 4096 bytes, or what
/// SWALLOW_EMULATED_CUDNN_WORKSPACE says.
[[nodiscard]] int64_t workspace_bytes();

/// Queues the operations. `addresses` by unique id must be those of the tensors in memory and of
/// the scalars, which are read at once.
void execute(cudaStream_t stream, const std::vector<Operation>& operations,
             const std::map<int64_t, void*>& addresses, void* workspace);

}  // namespace emulated_cudnn
