#include "cudnn_execute.h"

#include <cuda_bf16.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <unordered_map>

#include "executor.h"
#include "memory.h"
#include "stream.h"

namespace emulated_cudnn {

namespace {

template <class Fn>
void for_each_index(const Dims& dims, Fn&& fn) {
  Dims i{};
  for (i[0] = 0; i[0] < dims[0]; ++i[0])
    for (i[1] = 0; i[1] < dims[1]; ++i[1])
      for (i[2] = 0; i[2] < dims[2]; ++i[2])
        for (i[3] = 0; i[3] < dims[3]; ++i[3]) fn(i);
}

double round_to(cudnnDataType_t type, double value) {
  switch (type) {
    case CUDNN_DATA_BFLOAT16:
      return static_cast<double>(__bfloat162float(__float2bfloat16_rn(static_cast<float>(value))));
    case CUDNN_DATA_FLOAT:
      return static_cast<double>(static_cast<float>(value));
    default:
      return value;  // int32 and boolean hold small integers
  }
}

/// One tensor's elements: in device memory, or of its own.
class Values {
 public:
  Values(const Tensor& tensor, void* address) : tensor_(tensor), address_(address) {
    if (address_ != nullptr) return;
    int64_t last = 0;
    for (size_t i = 0; i < 4; ++i) last += (tensor.dims[i] - 1) * tensor.strides[i];
    own_.assign(static_cast<size_t>(last + 1), std::numeric_limits<double>::quiet_NaN());
  }

  [[nodiscard]] const Tensor& tensor() const { return tensor_; }

  /// The element at `index` of a larger tensor with dimensions `whole`, of which this one is
  /// repeated, neighbours first: key head i serves several query heads.
  [[nodiscard]] double get(const Dims& index, const Dims& whole) const {
    int64_t place = 0;
    for (size_t i = 0; i < 4; ++i)
      place += index[i] / (whole[i] / tensor_.dims[i]) * tensor_.strides[i];
    return get_place(place);
  }
  void set(const Dims& index, double value) {
    int64_t place = 0;
    for (size_t i = 0; i < 4; ++i) place += index[i] * tensor_.strides[i];
    set_place(place, value);
  }
  [[nodiscard]] double get_place(int64_t place) const {
    if (address_ == nullptr) return own_[static_cast<size_t>(place)];
    if (tensor_.type == CUDNN_DATA_FLOAT)
      return static_cast<double>(static_cast<const float*>(address_)[place]);
    return static_cast<double>(
        __bfloat162float(static_cast<const __nv_bfloat16*>(address_)[place]));
  }
  void set_place(int64_t place, double value) {
    const double rounded = round_to(tensor_.type, value);
    if (address_ != nullptr) written_[place] = rounded;
    if (address_ == nullptr)
      own_[static_cast<size_t>(place)] = rounded;
    else if (tensor_.type == CUDNN_DATA_FLOAT)
      static_cast<float*>(address_)[place] = static_cast<float>(rounded);
    else
      static_cast<__nv_bfloat16*>(address_)[place] =
          __float2bfloat16_rn(static_cast<float>(rounded));
  }
  /// Ends the program when memory no longer holds what was written there.
  void verify() const {
    for (const auto& [place, value] : written_)
      if (get_place(place) != value && !std::isnan(value))
        emulated_gpu::fail("two tensors of a cuDNN plan, or one and its workspace, overlap");
  }

 private:
  Tensor tensor_;
  void* address_;
  std::vector<double> own_;
  std::unordered_map<int64_t, double> written_;  // to device memory
};

void run_matmul(const Values& a, const Values& b, Values& c) {
  const Dims& dims = c.tensor().dims;
  const int64_t depth = a.tensor().dims[3];
  const Dims left = {dims[0], dims[1], dims[2], depth};
  const Dims right = {dims[0], dims[1], depth, dims[3]};
  for_each_index(dims, [&](const Dims& i) {
    double sum = 0;
    for (int64_t e = 0; e < depth; ++e)
      sum += a.get({i[0], i[1], i[2], e}, left) * b.get({i[0], i[1], e, i[3]}, right);
    c.set(i, sum);
  });
}

double pointwise(const Operation& op, const Dims& index, const std::array<double, 3>& in) {
  switch (op.mode) {
    case CUDNN_POINTWISE_ADD:
      return in[0] + in[1];
    case CUDNN_POINTWISE_SUB:
      return in[0] - in[1];
    case CUDNN_POINTWISE_MUL:
      return in[0] * in[1];
    case CUDNN_POINTWISE_DIV:
      return in[0] / in[1];
    case CUDNN_POINTWISE_CMP_GE:
      return in[0] >= in[1] ? 1 : 0;
    case CUDNN_POINTWISE_BINARY_SELECT:
      return in[2] != 0 ? in[0] : in[1];
    case CUDNN_POINTWISE_GEN_INDEX:
      return static_cast<double>(index[static_cast<size_t>(op.axis)]);
    case CUDNN_POINTWISE_EXP:
      return std::exp(in[0]);
    case CUDNN_POINTWISE_LOG:
      return std::log(in[0]);
    default:
      return in[0];  // the identity
  }
}

void run_reduction(cudnnReduceTensorOp_t op, const Values& x, Values& y) {
  const bool adds = op == CUDNN_REDUCE_TENSOR_ADD;
  const Dims& whole = x.tensor().dims;
  const Dims& dims = y.tensor().dims;
  for_each_index(dims, [&](const Dims& i) {
    double result = adds ? 0 : -std::numeric_limits<double>::infinity();
    const Dims each = {whole[0] / dims[0], whole[1] / dims[1], whole[2] / dims[2],
                       whole[3] / dims[3]};
    for_each_index(each, [&](const Dims& j) {
      const double value = x.get({i[0] * each[0] + j[0], i[1] * each[1] + j[1],
                                  i[2] * each[2] + j[2], i[3] * each[3] + j[3]},
                                 whole);
      result = adds ? result + value : std::fmax(result, value);
    });
    y.set(i, result);
  });
}

void run_reshape(const Values& x, Values& y) {
  const Tensor& from = x.tensor();
  for_each_index(from.dims, [&](const Dims& i) {
    int64_t place = 0;
    for (size_t d = 0; d < 4; ++d) place += i[d] * from.strides[d];
    y.set_place(place, x.get_place(place));
  });
}

void run_operation(const Operation& op, const std::vector<Values*>& in, Values& y) {
  switch (op.kind) {
    case Operation::Kind::matmul:
      return run_matmul(*in[0], *in[1], y);
    case Operation::Kind::reduction:
      return run_reduction(op.reduction, *in[0], y);
    case Operation::Kind::reshape:
      return run_reshape(*in[0], y);
    case Operation::Kind::pointwise:
      for_each_index(op.y.dims, [&](const Dims& index) {
        std::array<double, 3> values{};
        for (size_t i = 0; i < in.size(); ++i) values[i] = in[i]->get(index, op.y.dims);
        y.set(index, pointwise(op, index, values));
      });
  }
}

void* check_address(const Tensor& tensor, const std::map<int64_t, void*>& addresses) {
  const auto found = addresses.find(tensor.uid);
  if (found == addresses.end()) refuse("tensor " + std::to_string(tensor.uid) + " has no address");
  if (emulated_gpu::is_device_memory(found->second) == tensor.is_by_value)
    refuse("tensor " + std::to_string(tensor.uid) + " lies in the wrong memory");
  if (!tensor.is_by_value &&
      reinterpret_cast<uintptr_t>(found->second) % static_cast<uintptr_t>(tensor.alignment) != 0)
    refuse("tensor " + std::to_string(tensor.uid) + " is not aligned");
  return found->second;
}

/// Where all tensors of a graph live.
std::map<int64_t, Values> place_tensors(const std::vector<Operation>& operations,
                                        const std::map<int64_t, void*>& addresses) {
  std::map<int64_t, Values> values;
  const auto place = [&](const Tensor& tensor) {
    if (values.count(tensor.uid) > 0) return;
    if (tensor.is_virtual) {
      values.emplace(tensor.uid, Values(tensor, nullptr));
    } else if (tensor.is_by_value) {
      Values copy(tensor, nullptr);
      copy.set({}, static_cast<double>(*static_cast<float*>(check_address(tensor, addresses))));
      values.emplace(tensor.uid, std::move(copy));
    } else {
      values.emplace(tensor.uid, Values(tensor, check_address(tensor, addresses)));
    }
  };
  for (const Operation& op : operations) {
    for (const Tensor& input : op.inputs) place(input);
    place(op.y);
  }
  for (const auto& [uid, address] : addresses)
    if (values.count(uid) == 0) refuse("tensor " + std::to_string(uid) + " is not in the graph");
  return values;
}

}  // namespace

int64_t workspace_bytes() {
  const char* text = std::getenv("SWALLOW_EMULATED_CUDNN_WORKSPACE");
  return text == nullptr ? 4096 : std::atoll(text);
}

void execute(cudaStream_t stream, const std::vector<Operation>& operations,
             const std::map<int64_t, void*>& addresses, void* workspace) {
  if (!emulated_gpu::is_device_memory(workspace)) refuse("the workspace is no device memory");
  auto values = std::make_shared<std::map<int64_t, Values>>(place_tensors(operations, addresses));
  const auto bytes = static_cast<size_t>(workspace_bytes());
  emulated_gpu::enqueue(stream, [operations, values, workspace, bytes] {
    std::memset(workspace, 0xFF, bytes);
    for (const Operation& op : operations) {
      std::vector<Values*> in;
      for (const Tensor& input : op.inputs) in.push_back(&values->at(input.uid));
      run_operation(op, in, values->at(op.y.uid));
    }
    std::memset(workspace, 0xFF, bytes);
    for (const auto& [uid, tensor] : *values) tensor.verify();
  });
}

}  // namespace emulated_cudnn
