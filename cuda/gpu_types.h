// From a Tensor to the typed pointers of a kernel.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "tensor/tensor.h"

namespace swallow::cuda {

/// The tensor's elements as T, a device type of the same size. Host code must not read them.
template <class T>
T* pointer(const Tensor& tensor) {
  return static_cast<T*>(tensor.data);
}

/// Whether 16-byte accesses may start at the tensor's first element.
inline bool is_aligned(const Tensor& tensor) {
  return reinterpret_cast<uintptr_t>(tensor.data) % 16 == 0;
}

/// Calls fn(T{}) with the device type of `dtype`, bf16 or f32; throws DeviceError for others.
template <class Fn>
void visit_gpu_dtype(std::string_view op, DType dtype, Fn&& fn) {
  if (dtype == DType::bf16) return fn(__nv_bfloat16{});
  if (dtype == DType::f32) return fn(float{});
  throw DeviceError("{} on a GPU takes bf16 or f32, got {}", op, name_of(dtype));
}

}  // namespace swallow::cuda
