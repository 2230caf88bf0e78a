// A graph made executable: cuDNN compiles it for the GPU at hand (0.4 to 0.7 s), once.
#pragma once

#include <cstdint>
#include <span>

#include "cudnn_graph.h"

namespace swallow::cuda {

class CudnnPlan {
 public:
  /// The best of the heuristics' proposals that can be compiled. `what` names it in errors.
  CudnnPlan(const Cudnn& dnn, cudnnHandle_t handle, CudnnGraph graph, const char* what);

  [[nodiscard]] int64_t workspace_bytes() const noexcept { return workspace_bytes_; }

  /// Queues it on the handle's stream. `addresses` of the tensors named `uids`; those of scalars
  /// are in host memory and read before this returns. Builds a variant pack each time, which takes
  /// the host about a microsecond and no memory of the device.
  void execute(std::span<const int64_t> uids, std::span<void* const> addresses,
               void* workspace) const;

 private:
  const Cudnn* dnn_;
  cudnnHandle_t handle_;
  CudnnGraph graph_;
  CudnnDescriptor operation_graph_;
  CudnnDescriptor plan_;
  int64_t workspace_bytes_ = 0;
};

}  // namespace swallow::cuda
