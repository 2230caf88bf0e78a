#include "kernels/adamw.h"

#include "kernels/op_check.h"

namespace swallow {

void AdamW::check() const {
  const OpCheck check("AdamW", param);
  check.leading("param", param, 1);
  const DType state = accumulate_dtype(param.dtype);
  check.argument("grad", grad, state, param.shape);
  const bool split = is_split_master(master);
  if (split) check.argument("param of a split master", param, DType::bf16, param.shape);
  check.argument("master", master, split ? DType::u16 : state, param.shape);
  check.argument("exp_avg", exp_avg, state, param.shape);
  check.argument("exp_avg_sq", exp_avg_sq, state, param.shape);
  check.require(step >= 1, "steps are counted from 1");
  check.require(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1, "betas must be in [0, 1)");
  check.require(eps >= 0, "eps is negative");
}

}  // namespace swallow
