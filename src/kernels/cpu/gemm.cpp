#include "kernels/gemm.h"

#include "kernels/cpu/onednn_gemm.h"
#include "kernels/cpu/packed_gemm.h"
#include "kernels/cpu/plain_gemm.h"

namespace swallow::cpu {

void run(Stream& stream, const Gemm& op) {
  if (op.m() == 0 || op.n() == 0) return;
  // Neither has f64; with k = 0 there is nothing to multiply, only c to clear or keep.
  if (op.a.dtype != DType::f64 && op.k() > 0 &&
      (packed_gemm(stream, op) || onednn_gemm(stream, op)))
    return;
  plain_gemm(stream, op);
}

void run(Stream& /*stream*/, const GemmTuning& /*tuning*/) {}

void run(Stream& /*stream*/, const ListGemmRecords& op) {
  op.records.clear();
}

}  // namespace swallow::cpu
