#include "cudnn_graph.h"

#include <utility>

#include "base/check.h"

namespace swallow::cuda {

void check_cudnn(const Cudnn& dnn, cudnnStatus_t status, const char* attempt) {
  if (status == CUDNN_STATUS_SUCCESS) [[likely]]
    return;
  throw DeviceError("cuDNN: {} from {}: {}", dnn.get_error_string(status), attempt,
                    last_message(dnn));
}

std::string last_message(const Cudnn& dnn) {
  std::array<char, 1024> message{};
  dnn.get_last_error_string(message.data(), message.size());
  return message.data();
}

CudnnDescriptor::CudnnDescriptor(const Cudnn& dnn, cudnnBackendDescriptorType_t type) : dnn_(&dnn) {
  check_cudnn(dnn, dnn.create_descriptor(type, &descriptor_), "cudnnBackendCreateDescriptor");
}

CudnnDescriptor::CudnnDescriptor(CudnnDescriptor&& other) noexcept
    : dnn_(other.dnn_), descriptor_(std::exchange(other.descriptor_, nullptr)) {}

CudnnDescriptor& CudnnDescriptor::operator=(CudnnDescriptor&& other) noexcept {
  std::swap(dnn_, other.dnn_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

CudnnDescriptor::~CudnnDescriptor() {
  if (descriptor_ != nullptr) dnn_->destroy_descriptor(descriptor_);
}

CudnnDescriptor& CudnnDescriptor::finalize() {
  check_cudnn(*dnn_, dnn_->finalize(descriptor_), "cudnnBackendFinalize");
  return *this;
}

bool CudnnDescriptor::try_finalize() {
  return dnn_->finalize(descriptor_) == CUDNN_STATUS_SUCCESS;
}

void CudnnDescriptor::set_values(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                                 int64_t count, const void* values) {
  check_cudnn(*dnn_, dnn_->set_attribute(descriptor_, name, type, count, values),
              "cudnnBackendSetAttribute");
}

int64_t CudnnDescriptor::get_values(cudnnBackendAttributeName_t name,
                                    cudnnBackendAttributeType_t type, int64_t count,
                                    void* values) const {
  int64_t found = 0;
  check_cudnn(*dnn_, dnn_->get_attribute(descriptor_, name, type, count, &found, values),
              "cudnnBackendGetAttribute");
  return found;
}

CudnnDescriptor& CudnnGraph::keep(cudnnBackendDescriptorType_t type) {
  return descriptors_.emplace_back(*dnn_, type);
}

GraphTensor CudnnGraph::tensor(CudnnDescriptor descriptor, int64_t uid, cudnnDataType_t type,
                               const Dims& dims, const Dims& strides) {
  constexpr int64_t kAlignment = 16;  // bytes
  descriptor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, uid)
      .set(CUDNN_ATTR_TENSOR_DATA_TYPE, type)
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::span<const int64_t>(dims))
      .set(CUDNN_ATTR_TENSOR_STRIDES, std::span<const int64_t>(strides))
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, kAlignment)
      .finalize();
  descriptors_.push_back(std::move(descriptor));
  return {descriptors_.back().get(), dims};
}

GraphTensor CudnnGraph::real(int64_t uid, cudnnDataType_t type, const Dims& dims,
                             const Dims& strides) {
  return tensor({*dnn_, CUDNN_BACKEND_TENSOR_DESCRIPTOR}, uid, type, dims, strides);
}

GraphTensor CudnnGraph::scalar(int64_t uid) {
  CudnnDescriptor descriptor(*dnn_, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  descriptor.set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, true);
  return tensor(std::move(descriptor), uid, CUDNN_DATA_FLOAT, {1, 1, 1, 1}, {1, 1, 1, 1});
}

GraphTensor CudnnGraph::between(cudnnDataType_t type, const Dims& dims, const Dims& strides) {
  CudnnDescriptor descriptor(*dnn_, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  descriptor.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, true);
  return tensor(std::move(descriptor), next_uid_++, type, dims, strides);
}

void CudnnGraph::matmul(const GraphTensor& a, const GraphTensor& b, const GraphTensor& c) {
  const CudnnDescriptor& matmul = keep(CUDNN_BACKEND_MATMUL_DESCRIPTOR)
                                      .set(CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_DATA_FLOAT)
                                      .finalize();
  operations_.push_back(keep(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR)
                            .refer(CUDNN_ATTR_OPERATION_MATMUL_ADESC, a.descriptor)
                            .refer(CUDNN_ATTR_OPERATION_MATMUL_BDESC, b.descriptor)
                            .refer(CUDNN_ATTR_OPERATION_MATMUL_CDESC, c.descriptor)
                            .refer(CUDNN_ATTR_OPERATION_MATMUL_DESC, matmul.get())
                            .finalize()
                            .get());
}

void CudnnGraph::pointwise(const Pointwise& op, const GraphTensor& y) {
  CudnnDescriptor& mode = keep(CUDNN_BACKEND_POINTWISE_DESCRIPTOR)
                              .set(CUDNN_ATTR_POINTWISE_MODE, op.mode)
                              .set(CUDNN_ATTR_POINTWISE_MATH_PREC, op.math);
  if (op.axis >= 0) mode.set(CUDNN_ATTR_POINTWISE_AXIS, op.axis);
  mode.finalize();
  CudnnDescriptor& operation = keep(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR)
                                   .refer(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, mode.get())
                                   .refer(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, op.x.descriptor)
                                   .refer(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y.descriptor);
  if (op.b.descriptor != nullptr)
    operation.refer(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, op.b.descriptor);
  if (op.condition.descriptor != nullptr)
    operation.refer(CUDNN_ATTR_OPERATION_POINTWISE_TDESC, op.condition.descriptor);
  operations_.push_back(operation.finalize().get());
}

GraphTensor CudnnGraph::pointwise(const Pointwise& op) {
  const GraphTensor y = between(CUDNN_DATA_FLOAT, op.x.dims);
  pointwise(op, y);
  return y;
}

void CudnnGraph::reduce(cudnnReduceTensorOp_t op, const GraphTensor& x, const GraphTensor& y) {
  const CudnnDescriptor& reduction = keep(CUDNN_BACKEND_REDUCTION_DESCRIPTOR)
                                         .set(CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_DATA_FLOAT)
                                         .set(CUDNN_ATTR_REDUCTION_OPERATOR, op)
                                         .finalize();
  operations_.push_back(keep(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR)
                            .refer(CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x.descriptor)
                            .refer(CUDNN_ATTR_OPERATION_REDUCTION_YDESC, y.descriptor)
                            .refer(CUDNN_ATTR_OPERATION_REDUCTION_DESC, reduction.get())
                            .finalize()
                            .get());
}

void CudnnGraph::reshape(const GraphTensor& x, const GraphTensor& y) {
  operations_.push_back(keep(CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR)
                            .refer(CUDNN_ATTR_OPERATION_RESHAPE_XDESC, x.descriptor)
                            .refer(CUDNN_ATTR_OPERATION_RESHAPE_YDESC, y.descriptor)
                            .finalize()
                            .get());
}

CudnnDescriptor CudnnGraph::build(cudnnHandle_t handle) const {
  CudnnDescriptor graph(*dnn_, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.refer(CUDNN_ATTR_OPERATIONGRAPH_OPS, operations_);
  if (handle != nullptr) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, handle);
  graph.finalize();
  return graph;
}

std::vector<CudnnDescriptor> engine_configs(const Cudnn& dnn, const CudnnDescriptor& graph,
                                            const CudnnDescriptor* device) {
  CudnnDescriptor heuristics(dnn, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.refer(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph.get())
      .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_HEUR_MODE_A);
  if (device != nullptr) heuristics.refer(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device->get());
  heuristics.finalize();
  // The first count is of candidates; only fetching them tells how many are supported.
  const int64_t candidates = heuristics.fetch(CUDNN_ATTR_ENGINEHEUR_RESULTS, {});
  std::vector<CudnnDescriptor> configs;
  std::vector<cudnnBackendDescriptor_t> out;
  for (int64_t i = 0; i < candidates; ++i) {
    configs.emplace_back(dnn, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    out.push_back(configs.back().get());
  }
  const int64_t found = heuristics.fetch(CUDNN_ATTR_ENGINEHEUR_RESULTS, out);
  configs.erase(configs.begin() + found, configs.end());
  return configs;
}

}  // namespace swallow::cuda
