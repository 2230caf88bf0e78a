// The descriptors of an emulated cuDNN: as strict as the real one about types, order and sizes, so
// that a graph that is accepted here is well formed. Only what our attention uses is known.
#pragma once

#include <cudnn.h>

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace emulated_cudnn {

using Dims = std::array<int64_t, 4>;

/// What the API returns as a status and a message.
struct Refusal : std::runtime_error {
  Refusal(cudnnStatus_t code, const std::string& message)
      : std::runtime_error(message), status(code) {}
  cudnnStatus_t status;
};
[[noreturn]] void refuse(const std::string& message);

struct Tensor {
  int64_t uid = 0;
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  Dims dims{};
  Dims strides{};
  int64_t alignment = 1;
  bool is_virtual = false;
  bool is_by_value = false;
  friend bool operator==(const Tensor&, const Tensor&) = default;
};

struct Operation {
  enum class Kind { matmul, pointwise, reduction, reshape };
  Kind kind = Kind::matmul;
  cudnnPointwiseMode_t mode = CUDNN_POINTWISE_ADD;
  cudnnReduceTensorOp_t reduction = CUDNN_REDUCE_TENSOR_ADD;
  int64_t axis = -1;
  std::vector<Tensor> inputs;  // x, b and the condition, as far as there are
  Tensor y;
};

struct Descriptor;
using Reference = std::shared_ptr<const Descriptor>;

struct Attribute {
  int64_t count = 0;
  std::vector<std::byte> bytes;       // of plain values
  std::vector<Reference> references;  // of descriptors
};

struct Descriptor {
  cudnnBackendDescriptorType_t type{};
  bool finalized = false;
  std::map<cudnnBackendAttributeName_t, Attribute> attributes;
  // Filled by finalize(), by type.
  Tensor tensor;
  Operation operation;
  std::vector<Operation> operations;
  bool has_handle = false;
  bool compiles = true;  // of an engine config

  [[nodiscard]] const Attribute* find(cudnnBackendAttributeName_t name) const;
  /// One that must have been set.
  [[nodiscard]] const Attribute& at(cudnnBackendAttributeName_t name) const;
  template <class T>
  [[nodiscard]] std::vector<T> values(cudnnBackendAttributeName_t name) const {
    const Attribute& attribute = at(name);
    const T* first = reinterpret_cast<const T*>(attribute.bytes.data());
    return std::vector<T>(first, first + attribute.count);
  }
  [[nodiscard]] const Descriptor& reference(cudnnBackendAttributeName_t name) const {
    return *at(name).references.front();
  }
};

/// What the API's opaque pointer points at. Descriptors that others refer to outlive it.
struct Handle {
  std::shared_ptr<Descriptor> descriptor = std::make_shared<Descriptor>();
};

void set_attribute(Descriptor& descriptor, cudnnBackendAttributeName_t name,
                   cudnnBackendAttributeType_t type, int64_t count, const void* values);
void finalize(Descriptor& descriptor);

}  // namespace emulated_cudnn
