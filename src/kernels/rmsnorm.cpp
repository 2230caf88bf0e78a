#include "kernels/rmsnorm.h"

#include "kernels/op_check.h"

namespace swallow {

void RmsNormForward::check() const {
  const OpCheck check("RmsNormForward", x);
  check.leading("x", x, 2);
  check.require(bool(delta) == bool(residual), "delta and residual go together");
  if (delta) {
    check.argument("delta", delta, x.dtype, x.shape);
    check.argument("residual", residual, x.dtype, x.shape);
  }
  check.argument("weight", weight, x.dtype, {x.size(1)});
  check.argument("y", y, x.dtype, x.shape);
  check.argument("rstd", rstd, accumulate_dtype(x.dtype), {x.size(0)});
  check.require(eps >= 0, "eps is negative");
}

void RmsNormRecompute::check() const {
  const OpCheck check("RmsNormRecompute", x);
  check.leading("x", x, 2);
  check.argument("weight", weight, x.dtype, {x.size(1)});
  check.argument("rstd", rstd, accumulate_dtype(x.dtype), {x.size(0)});
  check.argument("y", y, x.dtype, x.shape);
}

void RmsNormBackward::check() const {
  const OpCheck check("RmsNormBackward", x);
  check.leading("x", x, 2);
  check.argument("dy", dy, x.dtype, x.shape);
  check.argument("weight", weight, x.dtype, {x.size(1)});
  check.argument("rstd", rstd, accumulate_dtype(x.dtype), {x.size(0)});
  check.argument("dx", dx, x.dtype, x.shape);
  check.argument("dweight", dweight, accumulate_dtype(x.dtype), {x.size(1)});
}

}  // namespace swallow
