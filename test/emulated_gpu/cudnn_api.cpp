// The entry points of an emulated libcudnn: cuDNN's backend API as far as our attention calls it.
// The declarations are those of cuDNN's own headers, so a wrong signature does not compile.
#include <cudnn.h>

#include <cstring>

#include "cudnn_descriptors.h"
#include "cudnn_execute.h"

struct cudnnContext {
  cudaStream_t stream = nullptr;
};

namespace emulated_cudnn {

namespace {

thread_local std::string last_error;

template <class Fn>
cudnnStatus_t guarded(Fn&& fn) {
  try {
    fn();
    return CUDNN_STATUS_SUCCESS;
  } catch (const Refusal& refusal) {
    last_error = refusal.what();
    return refusal.status;
  }
}

Descriptor& content(cudnnBackendDescriptor_t descriptor) {
  return *static_cast<Handle*>(descriptor)->descriptor;
}

/// As the real heuristics: the count that is announced exceeds what is then found, and not all that
/// is found can be compiled.
constexpr int64_t kCandidates = 3;
constexpr int64_t kResults = 2;

void fetch_configs(const Descriptor& heuristics, int64_t requested, int64_t* found, void* out) {
  if (requested == 0) {
    *found = kCandidates;
    return;
  }
  *found = std::min(requested, kResults);
  for (int64_t i = 0; i < *found; ++i) {
    Descriptor& config = content(static_cast<cudnnBackendDescriptor_t*>(out)[i]);
    if (config.type != CUDNN_BACKEND_ENGINECFG_DESCRIPTOR) refuse("results are no engine configs");
    config.operations = heuristics.reference(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH).operations;
    config.compiles = i > 0;
    config.finalized = true;
  }
}

void get_attribute(const Descriptor& descriptor, cudnnBackendAttributeName_t name,
                   cudnnBackendAttributeType_t type, int64_t requested, int64_t* found, void* out) {
  if (!descriptor.finalized) refuse("an attribute is read before the descriptor was finalized");
  if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS && type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
    return fetch_configs(descriptor, requested, found, out);
  if (name != CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE || type != CUDNN_TYPE_INT64 ||
      descriptor.type != CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR || requested != 1)
    refuse("reading this attribute is not emulated");
  const int64_t bytes = workspace_bytes();
  std::memcpy(out, &bytes, sizeof bytes);
  *found = 1;
}

void run_plan(cudnnContext& context, const Descriptor& plan, const Descriptor& pack) {
  if (plan.type != CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR || !plan.finalized)
    refuse("no finalized plan");
  if (pack.type != CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR || !pack.finalized)
    refuse("no finalized variant pack");
  const auto uids = pack.values<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto pointers = pack.values<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  std::map<int64_t, void*> addresses;
  for (size_t i = 0; i < uids.size(); ++i) addresses[uids[i]] = pointers[i];
  execute(context.stream, plan.operations, addresses,
          pack.values<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE).front());
}

}  // namespace

}  // namespace emulated_cudnn

using emulated_cudnn::content;
using emulated_cudnn::guarded;

size_t cudnnGetVersion() {
  return CUDNN_VERSION;
}
const char* cudnnGetErrorString(cudnnStatus_t status) {
  return status == CUDNN_STATUS_BAD_PARAM ? "CUDNN_STATUS_BAD_PARAM" : "CUDNN_STATUS_NOT_SUPPORTED";
}
void cudnnGetLastErrorString(char* message, size_t max_size) {
  std::strncpy(message, emulated_cudnn::last_error.c_str(), max_size - 1);
  message[max_size - 1] = '\0';
}
cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  *handle = new cudnnContext;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  delete handle;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t* descriptor) {
  auto* handle = new emulated_cudnn::Handle;
  handle->descriptor->type = type;
  *descriptor = handle;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  delete static_cast<emulated_cudnn::Handle*>(descriptor);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void* values) {
  return guarded(
      [&] { emulated_cudnn::set_attribute(content(descriptor), name, type, count, values); });
}
cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t requested,
                                       int64_t* found, void* values) {
  return guarded([&] {
    emulated_cudnn::get_attribute(content(descriptor), name, type, requested, found, values);
  });
}
cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  return guarded([&] { emulated_cudnn::finalize(content(descriptor)); });
}
cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t pack) {
  return guarded([&] { emulated_cudnn::run_plan(*handle, content(plan), content(pack)); });
}
