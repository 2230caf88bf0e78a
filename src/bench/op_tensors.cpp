#include "bench/op_tensors.h"

#include "kernels/gemm.h"

namespace swallow {

Tensor OpTensors::take(DType dtype, const Shape& shape) {
  const int64_t bytes = shape.numel() * size_of(dtype);
  buffers_.emplace_back(stream_.device(), bytes);
  bytes_ += bytes;
  return {buffers_.back().data(), dtype, shape, stream_.device()};
}

Tensor OpTensors::normal(DType dtype, const Shape& shape, double mean, double standard_deviation) {
  const Tensor tensor = take(dtype, shape);
  random_.normal(tensor, mean, standard_deviation);
  return tensor;
}

Tensor OpTensors::ids(const Shape& shape, int64_t below) {
  const Tensor tensor = take(DType::i32, shape);
  random_.ids(tensor, below);
  return tensor;
}

Tensor OpTensors::scratch(DType dtype, const Shape& shape) {
  return take(dtype, shape);
}

Tensor OpTensors::gemm_workspace() {
  const int64_t bytes = gemm_workspace_bytes(stream_.device());
  if (bytes == 0) return {};
  if (gemm_workspace_.bytes() == 0) gemm_workspace_ = Buffer(stream_.device(), bytes);
  return {gemm_workspace_.data(), DType::u8, {bytes}, stream_.device()};
}

}  // namespace swallow
