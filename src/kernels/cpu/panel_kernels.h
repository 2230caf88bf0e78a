// What packed_gemm.cpp needs of an instruction set. The files that implement it are compiled for
// more than the rest of the binary: they include nothing whose inline functions others share, since
// the linker keeps one copy of each.
#pragma once

#include <cstdint>

namespace swallow::cpu {

/// How the elements (i, p) of an operand lie: i along its panels, p along the depth.
enum class DepthLayout : uint8_t {
  contiguous,  // data[i * stride + p]
  strided,     // data[p * stride + i]
};

struct PanelSource {
  const void* data;
  int64_t stride;  // elements
  DepthLayout layout;
};

/// A panel is a few rows of a, or columns of b, over the whole depth, in the order in which
/// `multiply` reads it. Sums are f32.
struct PanelKernels {
  int64_t a_rows;        // of a panel of a
  int64_t b_columns;     // of a panel of b
  int64_t depth_step;    // panels are padded with zeros to a multiple of it
  int64_t element_size;  // of the operands, packed or not

  /// Packs `count` <= a_rows (b_columns) rows over `depth`; zeros for the others.
  void (*pack_a)(const PanelSource& from, int64_t count, int64_t depth, void* panel);
  void (*pack_b)(const PanelSource& from, int64_t count, int64_t depth, void* panel);
  /// Sets the calling thread's state for `multiply`, and clears it.
  void (*enter)();
  void (*leave)();
  /// sums[a_rows, b_columns] = a b over `depth`, a multiple of depth_step.
  void (*multiply)(const void* a, const void* b, int64_t depth, float* sums);
  /// c = sums, or c += sums, rounded once. Rows of c lie `c_stride` elements apart.
  void (*store_f32)(const float* sums, int64_t sums_stride, int64_t rows, int64_t columns,
                    bool adds, float* c, int64_t c_stride);
  void (*store_bf16)(const float* sums, int64_t sums_stride, int64_t rows, int64_t columns,
                     bool adds, uint16_t* c, int64_t c_stride);
};

#if defined(__x86_64__)
extern const PanelKernels kAvx512F32Panels;
extern const PanelKernels kAmxBf16Panels;
#endif

}  // namespace swallow::cpu
