#include "kernels/cpu/rows.h"

namespace swallow::cpu {

constinit const RowKernels<float> kPlainF32Rows = row_kernels<float>();
constinit const RowKernels<bfloat16> kPlainBf16Rows = row_kernels<bfloat16>();
constinit const RowKernels<double> kPlainF64Rows = row_kernels<double>();

}  // namespace swallow::cpu
