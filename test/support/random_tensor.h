// Tensors for tests of ops: they own their memory, are filled from Philox (so a test is the same on
// every run and machine), and are read back as doubles whatever their type.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <span>
#include <vector>

#include "base/philox.h"
#include "support/tolerance.h"
#include "tensor/tensor.h"

namespace swallow::test {

struct TestTensor {
  Buffer buffer;
  Tensor tensor;
};

/// A CPU tensor filled with zero. An empty shape still has an address, so it does not look left
/// out.
inline TestTensor empty_tensor(DType dtype, const Shape& shape) {
  Buffer buffer(Device{}, std::max<int64_t>(shape.numel() * size_of(dtype), 1));
  void* data = buffer.data();
  return {std::move(buffer), Tensor{data, dtype, shape, Device{}}};
}

/// `value` as the nearest element of `dtype`: what a reference does to its outputs.
inline double round_to(DType dtype, double value) {
  switch (dtype) {
    case DType::bf16:
      return static_cast<double>(convert<float>(convert<bfloat16>(value)));
    case DType::f32:
      return static_cast<double>(static_cast<float>(value));
    default:
      return value;
  }
}

/// tensor = values, rounded to its type.
inline void from_doubles(const Tensor& tensor, std::span<const double> values) {
  REQUIRE(tensor.numel() == static_cast<int64_t>(values.size()));
  visit_dtype(tensor.dtype, [&]<class T>(std::type_identity<T>) {
    auto* out = tensor.as<T>();
    for (size_t i = 0; i < values.size(); ++i) out[i] = convert<T>(values[i]);
  });
}

/// The elements of a floating-point tensor, exactly.
inline std::vector<double> to_doubles(const Tensor& tensor) {
  std::vector<double> values(static_cast<size_t>(tensor.numel()));
  visit_dtype(tensor.dtype, [&]<class T>(std::type_identity<T>) {
    const auto* in = tensor.as<T>();
    for (size_t i = 0; i < values.size(); ++i) values[i] = convert<double>(in[i]);
  });
  return values;
}

/// Normal numbers times `scale`, rounded to the type; another seed, another tensor.
inline TestTensor random_tensor(DType dtype, const Shape& shape, uint64_t seed, double scale = 1) {
  TestTensor result = empty_tensor(dtype, shape);
  std::vector<double> values(static_cast<size_t>(shape.numel()));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = scale * philox_normal(seed, stream_of("test"), i);
  from_doubles(result.tensor, values);
  return result;
}

/// A deep copy.
inline TestTensor clone(const Tensor& source) {
  TestTensor result = empty_tensor(source.dtype, source.shape);
  if (source.bytes() > 0)
    std::memcpy(result.tensor.data, source.data, static_cast<size_t>(source.bytes()));
  return result;
}

/// True when shapes, types and every bit agree.
inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.dtype == b.dtype && a.shape == b.shape &&
         (a.bytes() == 0 || std::memcmp(a.data, b.data, static_cast<size_t>(a.bytes())) == 0);
}

/// Fails at the first element that lies further from `want` than the bound, and names it.
inline void require_close(std::span<const double> got, std::span<const double> want,
                          Tolerance tolerance) {
  REQUIRE(got.size() == want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    const double bound = tolerance.absolute + tolerance.relative * std::abs(want[i]);
    if (std::abs(got[i] - want[i]) <= bound) continue;  // a NaN is never within
    FAIL(fmt::format("element {}: got {}, want {}, bound {}, off by {}", i, got[i], want[i], bound,
                     got[i] - want[i]));
  }
  SUCCEED();
}

/// The same for a tensor; `want` is rounded to its type first, as a kernel rounds its result.
inline void require_close(const Tensor& got, std::span<const double> want, Tolerance tolerance) {
  std::vector<double> rounded(want.begin(), want.end());
  for (double& value : rounded) value = round_to(got.dtype, value);
  require_close(to_doubles(got), rounded, tolerance);
}

inline void require_close(const Tensor& got, std::span<const double> want) {
  require_close(got, want, tolerance_for(got.dtype));
}

}  // namespace swallow::test
