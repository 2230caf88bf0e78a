#include "kernels/gemm.h"

namespace swallow {

void Gemm::check() const {
  SWALLOW_CHECK(a.rank() == 2 && b.rank() == 2 && c.rank() == 2, "gemm of {}, {} into {}",
                to_string(a), to_string(b), to_string(c));
  const int b_inner = transpose_b == Transpose::no ? 0 : 1;
  const int a_outer = transpose_a == Transpose::no ? 0 : 1;
  SWALLOW_CHECK(a.size(a_outer) == m() && b.size(b_inner) == k() && b.size(1 - b_inner) == n(),
                "gemm of {}{}, {}{} into {}", to_string(a),
                transpose_a == Transpose::yes ? " transposed" : "", to_string(b),
                transpose_b == Transpose::yes ? " transposed" : "", to_string(c));
  const bool floating = a.dtype == DType::f32 || a.dtype == DType::bf16 || a.dtype == DType::f64;
  SWALLOW_CHECK(floating && b.dtype == a.dtype &&
                    (c.dtype == a.dtype || c.dtype == accumulate_dtype(a.dtype)),
                "gemm of {}, {} into {}", to_string(a), to_string(b), to_string(c));
  SWALLOW_CHECK(beta == Beta::zero || c.dtype == accumulate_dtype(a.dtype),
                "gemm of {} adds to {}, expected {}", to_string(a), to_string(c),
                name_of(accumulate_dtype(a.dtype)));
  SWALLOW_CHECK(a.device == b.device && a.device == c.device, "gemm across devices {}, {}, {}",
                to_string(a.device), to_string(b.device), to_string(c.device));
  for (const Tensor* tensor : {&a, &b, &c})
    SWALLOW_CHECK(*tensor || tensor->numel() == 0, "gemm: {} has no memory", to_string(*tensor));
  SWALLOW_CHECK(!workspace || (workspace.dtype == DType::u8 && workspace.device == a.device &&
                               reinterpret_cast<uintptr_t>(workspace.data) % 256 == 0),
                "gemm: workspace {} on {} is not bytes at a multiple of 256 on {}",
                to_string(workspace), to_string(workspace.device), to_string(a.device));
}

int64_t gemm_workspace_bytes(Device device) {
  if (device.kind == DeviceKind::cpu) return 0;
  // cuBLAS documentation, cublasSetWorkspace: at least 32 MiB is recommended on Hopper (4 MiB on
  // older GPUs). Twice as much lets split sums of the largest weight gradients compete.
  return int64_t{64} << 20;
}

void configure_gemm(Stream& stream, const GemmTuning& tuning) {
  launch(stream, tuning);
}

std::vector<GemmRecord> gemm_records(Stream& stream) {
  std::vector<GemmRecord> records;
  launch(stream, ListGemmRecords{records});
  return records;
}

}  // namespace swallow
