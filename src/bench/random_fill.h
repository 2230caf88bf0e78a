// Random values for tensors on any device. A GPU is faster on zeros than on data, so nothing here
// is timed on zeros.
#pragma once

#include <cstdint>
#include <vector>

#include "device/device.h"
#include "tensor/tensor.h"

namespace swallow {

/// Fills tensors from a block of normal numbers that is repeated. The block's length is prime, so
/// rows of a matrix differ, and each tensor goes on where the one before ended, so no two are
/// equal. The work is enqueued on the stream.
class RandomFill {
 public:
  explicit RandomFill(Stream& stream) : stream_(stream) {}

  /// f32, f64 or bf16.
  void normal(const Tensor& tensor, double mean, double standard_deviation);
  /// i32 in [0, below).
  void ids(const Tensor& tensor, int64_t below);

 private:
  struct Block {
    DType dtype;
    double mean;
    double standard_deviation;
    int64_t below;  // of ids
    Buffer buffer;
  };

  const Block& block(DType dtype, double mean, double standard_deviation, int64_t below);
  void repeat(const Tensor& tensor, const Block& block);

  Stream& stream_;
  std::vector<float> numbers_;  // standard normal, made once
  std::vector<Block> blocks_;
  int64_t begin_ = 0;  // in the block, of the next tensor
};

}  // namespace swallow
