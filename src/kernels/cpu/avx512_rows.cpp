#include "kernels/cpu/rows.h"

namespace swallow::cpu {

constinit const RowKernels<float> kAvx512F32Rows = row_kernels<float>();
constinit const RowKernels<bfloat16> kAvx512Bf16Rows = row_kernels<bfloat16>();

}  // namespace swallow::cpu
