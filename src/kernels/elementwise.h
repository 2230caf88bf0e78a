// Element-wise ops that are not part of a fused kernel. Bandwidth-bound.
#pragma once

#include "kernels/launch.h"
#include "tensor/tensor.h"

namespace swallow {

/// y = a + b, summed in the accumulation type. y may be a or b.
struct Add {
  Tensor a, b, y;  // equal shapes and types
  void check() const;
};

/// y = x in y's type, rounded to nearest even; f64 goes to bf16 by way of f32.
struct Cast {
  Tensor x, y;  // equal number of elements, floating-point types
  void check() const;
};

namespace cpu {
void run(Stream& stream, const Add& op);
void run(Stream& stream, const Cast& op);
}  // namespace cpu

namespace cuda {
void run(Stream& stream, const Add& op);
void run(Stream& stream, const Cast& op);
}  // namespace cuda

}  // namespace swallow
