// Products with their operands and their definition, for tests of gemm on any device.
#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "kernels/gemm.h"
#include "support/random_tensor.h"

namespace swallow::test {

struct GemmCase {
  int64_t m, n, k;
  DType input, output;
  Transpose transpose_a = Transpose::no;
  Transpose transpose_b = Transpose::no;
  Beta beta = Beta::zero;
};

inline std::string describe(const GemmCase& c) {
  return fmt::format("m {} n {} k {} {} -> {} ta {} tb {} beta {}", c.m, c.n, c.k, name_of(c.input),
                     name_of(c.output), c.transpose_a == Transpose::yes,
                     c.transpose_b == Transpose::yes, c.beta == Beta::one);
}

struct GemmOperands {
  TestTensor a, b, c;
  Gemm op;
};

inline GemmOperands make_operands(const GemmCase& c) {
  const auto shape = [](int64_t rows, int64_t columns, Transpose transpose) {
    return transpose == Transpose::no ? Shape{rows, columns} : Shape{columns, rows};
  };
  GemmOperands x{random_tensor(c.input, shape(c.m, c.k, c.transpose_a), 1),
                 random_tensor(c.input, shape(c.k, c.n, c.transpose_b), 2),
                 random_tensor(c.output, {c.m, c.n}, 3),
                 {}};
  x.op = {.a = x.a.tensor,
          .b = x.b.tensor,
          .c = x.c.tensor,
          .transpose_a = c.transpose_a,
          .transpose_b = c.transpose_b,
          .beta = c.beta};
  return x;
}

/// The definition, in double.
inline std::vector<double> reference(const GemmCase& s, const GemmOperands& x) {
  const std::vector<double> a = to_doubles(x.a.tensor);
  const std::vector<double> b = to_doubles(x.b.tensor);
  std::vector<double> c = to_doubles(x.c.tensor);
  for (int64_t i = 0; i < s.m; ++i)
    for (int64_t j = 0; j < s.n; ++j) {
      double sum = 0;
      for (int64_t p = 0; p < s.k; ++p) {
        const int64_t ia = s.transpose_a == Transpose::no ? i * s.k + p : p * s.m + i;
        const int64_t ib = s.transpose_b == Transpose::no ? p * s.n + j : j * s.k + p;
        sum += a[static_cast<size_t>(ia)] * b[static_cast<size_t>(ib)];
      }
      double& element = c[static_cast<size_t>(i * s.n + j)];
      element = s.beta == Beta::one ? element + sum : sum;
    }
  return c;
}

/// Terms of norm 1 each: a sum of k of them is of size sqrt(k). Tensor cores, which take bf16 on a
/// GPU, add 16 terms at a time to an f32 sum and cut it off there, by up to 2^-23 of it and always
/// towards zero (Fasi et al., "Numerical behavior of NVIDIA tensor cores", PeerJ CS, 2021).
inline Tolerance bound(const GemmCase& c, DeviceKind device) {
  const double scale = std::sqrt(static_cast<double>(c.k) + 1);
  const bool tensor_cores = device == DeviceKind::cuda && c.input == DType::bf16;
  const double cut = tensor_cores ? static_cast<double>(c.k) / 16 * 0x1p-23 * scale : 0;
  return {tolerance_for(c.input, scale).absolute + cut, tolerance_for(c.output).relative};
}

inline const std::vector<std::pair<DType, DType>> kGemmTypes = {{DType::f32, DType::f32},
                                                                {DType::bf16, DType::bf16},
                                                                {DType::bf16, DType::f32},
                                                                {DType::f64, DType::f64}};

/// Adding, where a product of these types may be added to c.
inline Beta adding(DType input, DType output) {
  return output == accumulate_dtype(input) ? Beta::one : Beta::zero;
}

}  // namespace swallow::test
