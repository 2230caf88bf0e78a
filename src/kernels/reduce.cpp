#include "kernels/reduce.h"

#include "kernels/op_check.h"

namespace swallow {

void SumSquares::check() const {
  const OpCheck check("SumSquares", x);
  check.leading("x", x, 1);
  check.require(x.dtype != DType::bf16, "x must be f32 or f64");
  check.argument("sum", sum, DType::i64, {ExactSum::kLimbs});
}

}  // namespace swallow
