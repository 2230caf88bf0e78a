// What an op is timed on.
#pragma once

#include <cstdint>
#include <deque>

#include "bench/random_fill.h"
#include "tensor/tensor.h"

namespace swallow {

/// Memory of one set of an op's tensors, filled with random values.
class OpTensors {
 public:
  OpTensors(Stream& stream, RandomFill& random) : stream_(stream), random_(random) {}

  Tensor normal(DType dtype, const Shape& shape, double mean = 0, double standard_deviation = 1);
  Tensor ids(const Shape& shape, int64_t below);
  /// Zero: for outputs, scratch and sums.
  Tensor scratch(DType dtype, const Shape& shape);
  /// The one workspace of all products; empty where the device wants none.
  Tensor gemm_workspace();

  [[nodiscard]] int64_t bytes() const noexcept { return bytes_; }

 private:
  Tensor take(DType dtype, const Shape& shape);

  Stream& stream_;
  RandomFill& random_;
  std::deque<Buffer> buffers_;
  Buffer gemm_workspace_;
  int64_t bytes_ = 0;
};

}  // namespace swallow
