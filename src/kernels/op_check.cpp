#include "kernels/op_check.h"

#include "base/check.h"

namespace swallow {

void OpCheck::leading(std::string_view name, const Tensor& tensor, int rank) const {
  if (tensor.data == nullptr) throw ContractError("{}: {} has no memory", op_, name);
  const bool floating =
      tensor.dtype == DType::f32 || tensor.dtype == DType::bf16 || tensor.dtype == DType::f64;
  if (!floating || tensor.rank() != rank || tensor.numel() == 0)
    throw ContractError("{}: {} is {}, expected f32, bf16 or f64 with {} non-empty dimension(s)",
                        op_, name, to_string(tensor), rank);
}

void OpCheck::argument(std::string_view name, const Tensor& tensor, DType dtype,
                       const Shape& shape) const {
  if (tensor.data == nullptr) throw ContractError("{}: {} has no memory", op_, name);
  if (tensor.dtype != dtype || tensor.shape != shape)
    throw ContractError("{}: {} is {}, expected {} {}", op_, name, to_string(tensor),
                        name_of(dtype), to_string(shape));
  if (tensor.device != device_)
    throw ContractError("{}: {} is on {}, expected {}", op_, name, to_string(tensor.device),
                        to_string(device_));
}

void OpCheck::require(bool condition, std::string_view what) const {
  if (!condition) throw ContractError("{}: {}", op_, what);
}

}  // namespace swallow
