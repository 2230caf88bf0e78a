// Measured times of matrix products, which take the place of the model's estimates where a shape is
// found. Read from the table that the GPU backend keeps of its tuned products (cuda/gemm_table.h)
// or from a record that `bench --output` wrote.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>

namespace swallow {

/// c [m, n] = a [m, k] b [k, n], or added to c.
struct GemmShape {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  bool adds = false;
  friend auto operator<=>(const GemmShape&, const GemmShape&) = default;
};

using GemmMeasurements = std::map<GemmShape, double>;  // seconds

/// "4096 x 11008 x 4096 TN, f32 +=": as `bench` writes a product's shape. Throws ConfigError.
GemmShape parse_gemm_shape(const std::string& text);

/// Of a shape that was measured more than once the fastest counts. Throws ConfigError when the file
/// cannot be read, is neither kind of file, or holds no product.
GemmMeasurements read_gemm_measurements(const std::string& path);

}  // namespace swallow
