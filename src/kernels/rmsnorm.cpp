#include "kernels/rmsnorm.h"

#include <algorithm>

#include "base/math.h"
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
  const int64_t needed = rmsnorm_workspace_bytes(x.device, x.size(0), x.size(1));
  if (needed == 0) return;
  check.require(workspace && workspace.bytes() >= needed, "the workspace is too small");
  check.require(workspace.device == x.device, "the workspace is on another device");
  check.require(reinterpret_cast<uintptr_t>(workspace.data) % 16 == 0,
                "the workspace is not aligned to 16 bytes");
}

int64_t rmsnorm_slices(int64_t rows) {
  // 256 give every multiprocessor of an A100 or H200 its share, with 16 rows each for 4096 tokens;
  // below four rows a slice, the sums of slices would cost more than the rows.
  return std::min<int64_t>(ceil_div(rows, 4), 256);
}

int64_t rmsnorm_workspace_bytes(Device device, int64_t rows, int64_t hidden) {
  if (device.kind == DeviceKind::cpu) return 0;
  return rmsnorm_slices(rows) * hidden * size_of(DType::f32);
}

}  // namespace swallow
