// Matrix product c = op(a) op(b), or c += op(a) op(b). Row-major. Inputs share a type; the product
// is summed in the accumulation type and rounded once, so that c may be added to only where it has
// that type: libraries round a product to a narrower c before they add. Compute-bound: 2 m n k
// FLOP.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/launch.h"
#include "tensor/tensor.h"

namespace swallow {

enum class Transpose : uint8_t { no, yes };
enum class Beta : uint8_t { zero, one };  // overwrite c, or add to it

struct Gemm {
  Tensor a;  // [m, k], or [k, m] when transposed
  Tensor b;  // [k, n], or [n, k] when transposed
  Tensor c;  // [m, n] out: the inputs' type, or the accumulation type
  // [bytes] u8, aligned to 256 bytes; optional. With gemm_workspace_bytes of it a GPU may pick any
  // of its kernels. Products of one stream may share it.
  Tensor workspace;
  Transpose transpose_a = Transpose::no;
  Transpose transpose_b = Transpose::no;
  Beta beta = Beta::zero;
  void check() const;

  [[nodiscard]] int64_t m() const { return c.size(0); }
  [[nodiscard]] int64_t n() const { return c.size(1); }
  [[nodiscard]] int64_t k() const { return a.size(transpose_a == Transpose::no ? 1 : 0); }
};

/// Size of the workspace for all products of a stream; 0 where none is used.
int64_t gemm_workspace_bytes(Device device);

/// How a GPU's products choose among the library's kernels. Without any of this: the kernel that
/// the library thinks best. A CPU has no choice to make.
struct GemmTuning {
  /// Measure all kernels at the first product of a shape, which takes a moment and memory as large
  /// as c, and keep the fastest.
  bool enabled = false;
  /// Folder of the file that keeps what was measured, one per GPU model and library version; empty:
  /// none. A shape that the file holds is not measured again, whether `enabled` or not: clocks vary
  /// from run to run, so only the file gives every run the same kernels, hence the same bits.
  std::string cache_folder;
  void check() const {}
};

/// Applies to the stream's products from now on; forgets their records.
void configure_gemm(Stream& stream, const GemmTuning& tuning);

enum class GemmChoice : uint8_t { heuristic, measured, stored };

/// A shape of product that a stream has seen, and the kernel that it runs.
struct GemmRecord {
  int64_t m = 0, n = 0, k = 0;
  DType input = DType::f32, output = DType::f32;
  Transpose transpose_a = Transpose::no, transpose_b = Transpose::no;
  Beta beta = Beta::zero;
  GemmChoice choice = GemmChoice::heuristic;
  int num_candidates = 0;   // kernels that the library offered
  int candidate = -1;       // which of them is used; -1: the stored one
  double heuristic_ms = 0;  // of the library's favourite; 0 where nothing was measured
  double chosen_ms = 0;     // of the one used
  int64_t launches = 0;
};

/// By shape; empty on a CPU.
std::vector<GemmRecord> gemm_records(Stream& stream);

/// The question behind gemm_records(), dispatched like an op.
struct ListGemmRecords {
  std::vector<GemmRecord>& records;  // out
  void check() const {}
};

namespace cpu {
void run(Stream& stream, const Gemm& op);
void run(Stream& stream, const GemmTuning& tuning);
void run(Stream& stream, const ListGemmRecords& op);
}  // namespace cpu

namespace cuda {
void run(Stream& stream, const Gemm& op);
void run(Stream& stream, const GemmTuning& tuning);
void run(Stream& stream, const ListGemmRecords& op);
}  // namespace cuda

}  // namespace swallow
