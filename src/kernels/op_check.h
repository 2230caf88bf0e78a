// The argument checks that ops share. Each failure is a ContractError that names the op, the
// argument, what it is and what it should be.
#pragma once

#include <cstdint>
#include <string_view>

#include "tensor/tensor.h"

namespace swallow {

class OpCheck {
 public:
  /// `leading` is the argument that the others are measured by: their device must be its device.
  OpCheck(std::string_view op, const Tensor& leading) : op_(op), device_(leading.device) {}

  /// Present, of a floating-point type and with `rank` dimensions, none of them empty.
  void leading(std::string_view name, const Tensor& tensor, int rank) const;

  /// Present, of this type and shape, on the op's device.
  void argument(std::string_view name, const Tensor& tensor, DType dtype, const Shape& shape) const;

  /// A scalar or a relation between arguments.
  void require(bool condition, std::string_view what) const;

 private:
  std::string_view op_;
  Device device_;
};

}  // namespace swallow
