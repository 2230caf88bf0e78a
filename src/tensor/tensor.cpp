#include "tensor/tensor.h"

#include <algorithm>

namespace swallow {

Shape::Shape(std::initializer_list<int64_t> dims) : rank_(static_cast<int>(dims.size())) {
  SWALLOW_CHECK(dims.size() <= kMaxRank, "{} dimensions; at most {}", dims.size(), kMaxRank);
  std::copy(dims.begin(), dims.end(), dims_.begin());
}

int64_t Shape::numel() const noexcept {
  if (rank_ == 0) return 0;
  int64_t product = 1;
  for (int i = 0; i < rank_; ++i) product *= dims_[static_cast<size_t>(i)];
  return product;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (int i = 0; i < shape.rank(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

std::string to_string(const Tensor& tensor) {
  return fmt::format("{} {}", name_of(tensor.dtype), to_string(tensor.shape));
}

Tensor Tensor::view(const Shape& other) const {
  SWALLOW_CHECK(other.numel() == numel(), "cannot view {} as {}", to_string(shape),
                to_string(other));
  return {data, dtype, other, device};
}

Tensor Tensor::as_matrix() const {
  SWALLOW_CHECK(rank() >= 1 && size(rank() - 1) > 0, "no rows in {}", to_string(shape));
  const int64_t columns = size(rank() - 1);
  return view({numel() / columns, columns});
}

Tensor Tensor::rows(int64_t begin, int64_t end) const {
  SWALLOW_CHECK(rank() >= 1 && 0 <= begin && begin <= end && end <= size(0), "rows [{}, {}) of {}",
                begin, end, to_string(shape));
  const int64_t row = size(0) > 0 ? numel() / size(0) : 0;
  Shape part;
  switch (rank()) {
    case 1:
      part = {end - begin};
      break;
    case 2:
      part = {end - begin, size(1)};
      break;
    case 3:
      part = {end - begin, size(1), size(2)};
      break;
    default:
      part = {end - begin, size(1), size(2), size(3)};
      break;
  }
  auto* start =
      data == nullptr ? nullptr : static_cast<std::byte*>(data) + begin * row * size_of(dtype);
  return {start, dtype, part, device};
}

void copy(Stream& stream, const Tensor& destination, const Tensor& source) {
  SWALLOW_CHECK(destination.dtype == source.dtype && destination.numel() == source.numel(),
                "cannot copy {} to {}", to_string(source), to_string(destination));
  copy_bytes(stream, destination.data, source.data, source.bytes());
}

void zero(Stream& stream, const Tensor& tensor) {
  zero_bytes(stream, tensor.data, tensor.bytes());
}

}  // namespace swallow
