// A non-owning, contiguous, row-major view of typed device memory: what every op and collective
// takes. Memory belongs to an Arena.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <type_traits>

#include "base/check.h"
#include "base/dtype.h"
#include "device/device.h"

namespace swallow {

/// Up to four dimensions, outermost first. A default Shape has none and holds no element.
class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims);

  [[nodiscard]] int rank() const noexcept { return rank_; }
  [[nodiscard]] int64_t numel() const noexcept;
  [[nodiscard]] int64_t operator[](int i) const noexcept { return dims_[static_cast<size_t>(i)]; }
  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

[[nodiscard]] std::string to_string(const Shape& shape);

struct Tensor {
  void* data = nullptr;
  DType dtype = DType::f32;
  Shape shape;
  Device device;

  [[nodiscard]] int64_t numel() const noexcept { return shape.numel(); }
  [[nodiscard]] int64_t bytes() const noexcept { return numel() * size_of(dtype); }
  [[nodiscard]] int rank() const noexcept { return shape.rank(); }
  [[nodiscard]] int64_t size(int dim) const noexcept { return shape[dim]; }
  /// False for an optional argument that was left out.
  [[nodiscard]] explicit operator bool() const noexcept { return data != nullptr; }

  /// The elements as T, which must be the tensor's type.
  template <class T>
  [[nodiscard]] T* as() const {
    SWALLOW_CHECK(dtype == kDTypeOf<T>, "tensor is {}, asked for {}", name_of(dtype),
                  name_of(kDTypeOf<T>));
    return static_cast<T*>(data);
  }

  /// The same elements under another shape of equal size.
  [[nodiscard]] Tensor view(const Shape& other) const;
  /// All dimensions but the last merged: [s, b, h] -> [s * b, h].
  [[nodiscard]] Tensor as_matrix() const;
  /// Elements [begin, end) of the outermost dimension.
  [[nodiscard]] Tensor rows(int64_t begin, int64_t end) const;
};

[[nodiscard]] std::string to_string(const Tensor& tensor);

/// Host memory as a tensor [n], for copies to and from a device.
template <class T, size_t kExtent>
[[nodiscard]] Tensor host_view(std::span<T, kExtent> elements) {
  return {const_cast<std::remove_const_t<T>*>(elements.data()),
          kDTypeOf<std::remove_const_t<T>>,
          {static_cast<int64_t>(elements.size())},
          Device{}};
}

/// destination = source; same dtype and number of elements. Either may be host memory, as for
/// copy_bytes.
void copy(Stream& stream, const Tensor& destination, const Tensor& source);
void zero(Stream& stream, const Tensor& tensor);

}  // namespace swallow
