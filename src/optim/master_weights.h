// The master weights of a rank's shard: whole, in the main type, or split (base/split_float.h),
// when the bf16 parameters hold their upper halves and two bytes each of their own the rest.
#pragma once

#include "optim/param_layout.h"
#include "tensor/tensor.h"

namespace swallow {

/// Makes `master` [shard_size] equal to the parameters in `params` [total] that shard `shard_rank`
/// owns.
void master_from_params(Stream& stream, const ParamLayout& layout, int shard_rank,
                        const Tensor& params, const Tensor& master);

}  // namespace swallow
