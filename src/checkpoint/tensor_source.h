// Canonical tensors to be read, wherever they lie: whole, unpadded, under Hugging Face's names. A
// run's checkpoint and a Hugging Face folder are sources; export, comparison and the extension of a
// vocabulary are filters over them and never ask which it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/number_type.h"
#include "tensor/tensor.h"

namespace swallow {

struct SourceTensor {
  Shape shape;  // [rows, columns] or [rows]
  NumberType type = NumberType::f32;
};
using SourceTensors = std::map<std::string, SourceTensor, std::less<>>;

/// Reads one tensor from its first element to its last, in row-major order.
class TensorReader {
 public:
  virtual ~TensorReader() = default;
  /// Fills `elements`, whole ones of the tensor's type, with those after the ones read before.
  /// Throws CheckpointError; damage may show only when the tensor has been read to its end.
  virtual void read(std::span<std::byte> elements) = 0;
};

class TensorSource {
 public:
  virtual ~TensorSource() = default;
  /// The folder, for messages.
  [[nodiscard]] virtual std::string place() const = 0;
  [[nodiscard]] virtual const SourceTensors& tensors() const = 0;
  /// The source outlives the reader. `name` is one of tensors().
  [[nodiscard]] virtual std::unique_ptr<TensorReader> open(const std::string& name) const = 0;
};

/// A tensor of a source as numbers of type `type`, a chunk at a time.
class NumberReader {
 public:
  NumberReader(const TensorSource& source, std::string name, NumberType type);

  /// The next `count` numbers, valid until the next call. Throws CheckpointError naming the tensor
  /// and the element where a number is not finite, or too large for `type`.
  std::span<const std::byte> next(int64_t count);

 private:
  std::string where_;
  NumberType from_;
  NumberType to_;
  std::unique_ptr<TensorReader> reader_;
  int64_t position_ = 0;  // elements read
  std::vector<std::byte> raw_;
  std::vector<std::byte> converted_;
};

}  // namespace swallow
