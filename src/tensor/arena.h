// All memory of a rank is planned, allocated once and sealed. The same construction code runs
// twice: against a planning arena, which only counts, and against the allocated one. The counts, by
// category, are the memory ledger that is printed and that `plan` shows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace swallow {

/// Bytes by category, in the order in which categories first appeared.
class Ledger {
 public:
  void add(std::string_view category, int64_t bytes);
  [[nodiscard]] int64_t total() const noexcept;
  [[nodiscard]] const std::vector<std::pair<std::string, int64_t>>& rows() const noexcept {
    return rows_;
  }
  friend bool operator==(const Ledger&, const Ledger&) = default;

 private:
  std::vector<std::pair<std::string, int64_t>> rows_;
};

class Arena {
 public:
  /// A planning arena: its tensors have shapes but no memory.
  static Arena plan(Device device) { return Arena(device); }
  /// Memory for exactly what `planned` counted, filled with zero.
  Arena(Device device, const Ledger& planned);

  /// A tensor that lives as long as the arena, aligned to 256 bytes.
  Tensor take(std::string_view category, DType dtype, const Shape& shape);

  /// After this, take() is an error: nothing is allocated once training has begun.
  void seal();

  [[nodiscard]] bool planning() const noexcept { return buffer_.data() == nullptr; }
  [[nodiscard]] Device device() const noexcept { return device_; }
  [[nodiscard]] const Ledger& ledger() const noexcept { return ledger_; }

 private:
  explicit Arena(Device device) : device_(device) {}

  Device device_;
  Buffer buffer_;
  int64_t used_ = 0;
  bool sealed_ = false;
  Ledger ledger_;
};

}  // namespace swallow
