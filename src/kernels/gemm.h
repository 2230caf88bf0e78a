// Matrix product c = op(a) op(b), or c += op(a) op(b). Row-major. Inputs share a type; the product
// is summed in the accumulation type and rounded once. Compute-bound: 2 m n k FLOP.
#pragma once

#include <cstdint>

#include "kernels/launch.h"
#include "tensor/tensor.h"

namespace swallow {

enum class Transpose : uint8_t { no, yes };
enum class Beta : uint8_t { zero, one };  // overwrite c, or add to it

struct Gemm {
  Tensor a;  // [m, k], or [k, m] when transposed
  Tensor b;  // [k, n], or [n, k] when transposed
  Tensor c;  // [m, n] out: the inputs' type, or the accumulation type
  Transpose transpose_a = Transpose::no;
  Transpose transpose_b = Transpose::no;
  Beta beta = Beta::zero;
  void check() const;

  [[nodiscard]] int64_t m() const { return c.size(0); }
  [[nodiscard]] int64_t n() const { return c.size(1); }
  [[nodiscard]] int64_t k() const { return a.size(transpose_a == Transpose::no ? 1 : 0); }
};

namespace cpu {
void run(Stream& stream, const Gemm& op);
}

}  // namespace swallow
