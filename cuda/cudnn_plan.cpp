#include "cudnn_plan.h"

#include <utility>

#include "base/check.h"

namespace swallow::cuda {

namespace {

CudnnDescriptor compile(const Cudnn& dnn, cudnnHandle_t handle, const CudnnDescriptor& graph,
                        const char* what) {
  const std::vector<CudnnDescriptor> configs = engine_configs(dnn, graph);
  for (const CudnnDescriptor& config : configs) {
    CudnnDescriptor plan(dnn, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, handle)
        .refer(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config.get());
    if (plan.try_finalize()) return plan;
  }
  throw DeviceError("cuDNN {}: none of its {} engines for {} can be compiled for this GPU: {}",
                    dnn.get_version(), configs.size(), what, last_message(dnn));
}

}  // namespace

CudnnPlan::CudnnPlan(const Cudnn& dnn, cudnnHandle_t handle, CudnnGraph graph, const char* what)
    : dnn_(&dnn),
      handle_(handle),
      graph_(std::move(graph)),
      operation_graph_(graph_.build(handle)),
      plan_(compile(dnn, handle, operation_graph_, what)),
      workspace_bytes_(plan_.value<int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE)) {}

void CudnnPlan::execute(std::span<const int64_t> uids, std::span<void* const> addresses,
                        void* workspace) const {
  CudnnDescriptor pack(*dnn_, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, uids)
      .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, addresses)
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, workspace)
      .finalize();
  check_cudnn(*dnn_, dnn_->execute(handle_, plan_.get(), pack.get()), "cudnnBackendExecute");
}

}  // namespace swallow::cuda
