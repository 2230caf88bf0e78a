// cuDNN's backend API: descriptors that free themselves, and a builder of operation graphs, which
// are the products, pointwise operations and reductions that cuDNN matches to one fused kernel.
// Knows nothing of attention. All of it is host work and needs no GPU.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "library.h"

namespace swallow::cuda {

/// Throws DeviceError with the status, cuDNN's last message and what was attempted.
void check_cudnn(const Cudnn& dnn, cudnnStatus_t status, const char* attempt);

/// cuDNN's own words on the last failure in this thread.
[[nodiscard]] std::string last_message(const Cudnn& dnn);

/// How the backend API names the type of an attribute's values. Descriptors are void* to the
/// compiler, like addresses, and have functions of their own.
template <class T>
constexpr cudnnBackendAttributeType_t attribute_type() {
  if constexpr (std::is_same_v<T, int64_t>) return CUDNN_TYPE_INT64;
  if constexpr (std::is_same_v<T, bool>) return CUDNN_TYPE_BOOLEAN;
  if constexpr (std::is_same_v<T, char>) return CUDNN_TYPE_CHAR;
  if constexpr (std::is_same_v<T, void*>) return CUDNN_TYPE_VOID_PTR;
  if constexpr (std::is_same_v<T, cudnnHandle_t>) return CUDNN_TYPE_HANDLE;
  if constexpr (std::is_same_v<T, cudnnDataType_t>) return CUDNN_TYPE_DATA_TYPE;
  if constexpr (std::is_same_v<T, cudnnPointwiseMode_t>) return CUDNN_TYPE_POINTWISE_MODE;
  if constexpr (std::is_same_v<T, cudnnReduceTensorOp_t>) return CUDNN_TYPE_REDUCTION_OPERATOR_TYPE;
  if constexpr (std::is_same_v<T, cudnnBackendHeurMode_t>) return CUDNN_TYPE_HEUR_MODE;
}

/// A cudnnBackendDescriptor_t: attributes are set, then it is finalized and constant. Move-only;
/// `dnn` must outlive it.
class CudnnDescriptor {
 public:
  CudnnDescriptor(const Cudnn& dnn, cudnnBackendDescriptorType_t type);
  CudnnDescriptor(CudnnDescriptor&& other) noexcept;
  CudnnDescriptor& operator=(CudnnDescriptor&& other) noexcept;
  ~CudnnDescriptor();

  [[nodiscard]] cudnnBackendDescriptor_t get() const noexcept { return descriptor_; }

  template <class T>
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, std::span<const T> values) {
    set_values(name, attribute_type<T>(), static_cast<int64_t>(values.size()), values.data());
    return *this;
  }
  template <class T>
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, const T& value) {
    return set(name, std::span<const T>(&value, 1));
  }
  CudnnDescriptor& refer(cudnnBackendAttributeName_t name,
                         std::span<const cudnnBackendDescriptor_t> others) {
    set_values(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, static_cast<int64_t>(others.size()),
               others.data());
    return *this;
  }
  CudnnDescriptor& refer(cudnnBackendAttributeName_t name, cudnnBackendDescriptor_t other) {
    return refer(name, {&other, 1});
  }
  CudnnDescriptor& finalize();
  /// False where cuDNN cannot do what was described.
  [[nodiscard]] bool try_finalize();

  template <class T>
  [[nodiscard]] T value(cudnnBackendAttributeName_t name) const {
    T result{};
    get_values(name, attribute_type<T>(), 1, &result);
    return result;
  }
  /// Fills the descriptors `out` as far as there are results and returns how many there are; with
  /// an empty `out`, how many there may be.
  int64_t fetch(cudnnBackendAttributeName_t name, std::span<cudnnBackendDescriptor_t> out) const {
    return get_values(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, static_cast<int64_t>(out.size()),
                      out.data());
  }

 private:
  void set_values(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                  const void* values);
  int64_t get_values(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                     int64_t count, void* values) const;

  const Cudnn* dnn_;
  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

/// Sizes, or strides in elements, of four dimensions.
using Dims = std::array<int64_t, 4>;

[[nodiscard]] constexpr Dims row_major(const Dims& dims) {
  return {dims[1] * dims[2] * dims[3], dims[2] * dims[3], dims[3], 1};
}

/// A value in a graph; the graph owns its descriptor.
struct GraphTensor {
  cudnnBackendDescriptor_t descriptor = nullptr;
  Dims dims{};
};

struct Pointwise {
  cudnnPointwiseMode_t mode;
  GraphTensor x;
  GraphTensor b{};          // second operand
  GraphTensor condition{};  // of a selection: condition ? x : b
  int64_t axis = -1;        // of an index
  cudnnDataType_t math = CUDNN_DATA_FLOAT;
};

class CudnnGraph {
 public:
  explicit CudnnGraph(const Cudnn& dnn) : dnn_(&dnn) {}

  /// A tensor in memory, whose address is given at execution under `uid` < 100.
  GraphTensor real(int64_t uid, cudnnDataType_t type, const Dims& dims, const Dims& strides);
  /// An fp32 number, whose address in host memory is given at execution.
  GraphTensor scalar(int64_t uid);
  /// A value between operations, which need not exist in memory.
  GraphTensor between(cudnnDataType_t type, const Dims& dims, const Dims& strides);
  GraphTensor between(cudnnDataType_t type, const Dims& dims) {
    return between(type, dims, row_major(dims));
  }

  /// c = a b over the two last dimensions, in fp32; the leading dimensions of b are repeated.
  void matmul(const GraphTensor& a, const GraphTensor& b, const GraphTensor& c);
  void pointwise(const Pointwise& op, const GraphTensor& y);
  /// The same with an fp32 result between operations.
  GraphTensor pointwise(const Pointwise& op);
  /// Over the dimensions in which y is smaller than x.
  void reduce(cudnnReduceTensorOp_t op, const GraphTensor& x, const GraphTensor& y);
  /// The same elements under y's dimensions and strides; a transposition is one.
  void reshape(const GraphTensor& x, const GraphTensor& y);

  [[nodiscard]] size_t num_operations() const noexcept { return operations_.size(); }
  /// The finalized graph. `handle` may be nullptr: then no plan of it can be executed.
  [[nodiscard]] CudnnDescriptor build(cudnnHandle_t handle) const;

 private:
  GraphTensor tensor(CudnnDescriptor descriptor, int64_t uid, cudnnDataType_t type,
                     const Dims& dims, const Dims& strides);
  CudnnDescriptor& keep(cudnnBackendDescriptorType_t type);

  const Cudnn* dnn_;
  std::deque<CudnnDescriptor> descriptors_;  // a deque does not move them
  std::vector<cudnnBackendDescriptor_t> operations_;
  int64_t next_uid_ = 100;
};

/// What cuDNN's heuristics propose for a graph, best first. The device is that of the graph's
/// handle, or the one that `device` describes (CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR).
[[nodiscard]] std::vector<CudnnDescriptor> engine_configs(const Cudnn& dnn,
                                                          const CudnnDescriptor& graph,
                                                          const CudnnDescriptor* device = nullptr);

}  // namespace swallow::cuda
