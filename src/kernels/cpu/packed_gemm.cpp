// A block of b is packed once, by all threads, for all rows of a; then each thread takes strips of
// c, packs their rows of a and multiplies panel by panel. (oneDNN's public products pack b again
// for every tile of c, which costs as much as a fast multiplication.) Each element of c is one sum
// over blocks of the depth in order, whoever computes it.
#include "kernels/cpu/packed_gemm.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/math.h"
#include "kernels/cpu/cpu_features.h"
#include "kernels/cpu/panel_kernels.h"
#include "kernels/cpu/worker.h"

namespace swallow::cpu {

namespace {

// A panel of b of this depth streams from L2, a strip of a stays there, a block of b in L3.
constexpr int64_t kDepthBlock = 2048;
constexpr int64_t kBlockBytes = 8 << 20;  // of packed b
constexpr int64_t kStripBytes = 512 << 10;
constexpr int64_t kMostStripRows = 512;
// Bounds the f32 sums kept beside a bf16 c that is deeper than one block.
constexpr int64_t kRowBlock = 2048;

/// Grown to the largest product seen and kept on the stream.
struct PanelBuffers {
  Buffer b;                     // a block of b
  Buffer sums;                  // [kRowBlock, columns of a block] f32
  std::vector<Buffer> a;        // a thread's strip of a
  std::vector<Buffer> of_tile;  // a thread's [a_rows, b_columns] f32
};

void grow(Buffer& buffer, int64_t bytes) {
  if (buffer.bytes() < bytes) buffer = Buffer(Device{}, bytes);
}

const PanelKernels* find_kernels([[maybe_unused]] CpuLevel level, [[maybe_unused]] DType input) {
#if defined(__x86_64__)
  if (input == DType::f32 && level >= CpuLevel::avx512) return &kAvx512F32Panels;
  if (input == DType::bf16 && level >= CpuLevel::amx) return &kAmxBf16Panels;
#endif
  return nullptr;
}

/// Rows, columns and depth of c that are worked on between two packings of b.
struct Block {
  int64_t row, rows, column, columns, first, depth;
};

class Product {
 public:
  Product(Stream& stream, const Gemm& op, const PanelKernels& kernels)
      : op_(op),
        kernels_(kernels),
        num_threads_(stream.num_threads()),
        buffers_(stream.extension<PanelBuffers>()) {
    const int64_t element = kernels.element_size;
    depth_block_ = std::min(kDepthBlock, round_up(op.k(), kernels.depth_step));
    column_block_ = std::min(round_down(kBlockBytes / (kDepthBlock * element), kernels.b_columns),
                             round_up(op.n(), kernels.b_columns));
    strip_rows_ = std::min(round_down(std::clamp(kStripBytes / (depth_block_ * element),
                                                 kernels.a_rows, kMostStripRows),
                                      kernels.a_rows),
                           round_up(op.m(), kernels.a_rows));
    keeps_sums_ = op.c.dtype == DType::bf16 && op.k() > depth_block_;
    grow(buffers_.b, column_block_ * depth_block_ * element);
    if (keeps_sums_)
      grow(buffers_.sums, std::min(kRowBlock, op.m()) * column_block_ * size_of(DType::f32));
    buffers_.a.resize(static_cast<size_t>(num_threads_));
    buffers_.of_tile.resize(static_cast<size_t>(num_threads_));
    for (Buffer& a : buffers_.a) grow(a, strip_rows_ * depth_block_ * element);
    for (Buffer& tile : buffers_.of_tile)
      grow(tile, kernels.a_rows * kernels.b_columns * size_of(DType::f32));
  }

  /// By all threads of a parallel region together.
  void multiply() {
    const int64_t row_block = keeps_sums_ ? kRowBlock : op_.m();
    for (int64_t row = 0; row < op_.m(); row += row_block)
      for (int64_t column = 0; column < op_.n(); column += column_block_)
        for (int64_t first = 0; first < op_.k(); first += depth_block_)
          multiply_block({row, std::min(row_block, op_.m() - row), column,
                          std::min(column_block_, op_.n() - column), first,
                          std::min(depth_block_, op_.k() - first)});
  }

 private:
  static int64_t round_down(int64_t value, int64_t multiple) { return value / multiple * multiple; }

  [[nodiscard]] int64_t panel_bytes(int64_t width, int64_t depth) const {
    return width * round_up(depth, kernels_.depth_step) * kernels_.element_size;
  }

  /// `op`'s a from row `i`, or b from column `i`, at depth `p`.
  [[nodiscard]] PanelSource source(const Tensor& matrix, DepthLayout layout, int64_t i,
                                   int64_t p) const {
    const int64_t stride = matrix.size(1);
    const int64_t at = layout == DepthLayout::contiguous ? i * stride + p : p * stride + i;
    return {static_cast<const std::byte*>(matrix.data) + at * kernels_.element_size, stride,
            layout};
  }

  void multiply_block(const Block& block) {
    const int64_t panels = ceil_div(block.columns, kernels_.b_columns);
    const int64_t bytes = panel_bytes(kernels_.b_columns, block.depth);
#pragma omp for schedule(static)
    for (int64_t panel = 0; panel < panels; ++panel) {
      const int64_t column = panel * kernels_.b_columns;
      kernels_.pack_b(
          source(op_.b,
                 op_.transpose_b == Transpose::yes ? DepthLayout::contiguous : DepthLayout::strided,
                 block.column + column, block.first),
          std::min(kernels_.b_columns, block.columns - column), block.depth,
          buffers_.b.data() + panel * bytes);
    }
    // Where strips are few, columns are shared too.
    const int64_t strips = ceil_div(block.rows, strip_rows_);
    const int64_t shares = std::min(panels, ceil_div(4 * int64_t{num_threads_}, strips));
#pragma omp for schedule(dynamic)
    for (int64_t task = 0; task < strips * shares; ++task) {
      const int64_t share = task % shares;
      multiply_strip(block, task / shares * strip_rows_, panels * share / shares,
                     panels * (share + 1) / shares);
    }
  }

  /// Rows [strip, strip + strip_rows_) of the block by panels [begin, end) of b.
  void multiply_strip(const Block& block, int64_t strip, int64_t begin, int64_t end) {
    const auto thread = static_cast<size_t>(worker());
    std::byte* const a = buffers_.a[thread].data();
    auto* const sums = reinterpret_cast<float*>(buffers_.of_tile[thread].data());
    const int64_t rows = std::min(strip_rows_, block.rows - strip);
    const int64_t depth = round_up(block.depth, kernels_.depth_step);
    const int64_t a_bytes = panel_bytes(kernels_.a_rows, block.depth);
    const int64_t b_bytes = panel_bytes(kernels_.b_columns, block.depth);
    for (int64_t i = 0; i < rows; i += kernels_.a_rows)
      kernels_.pack_a(
          source(op_.a,
                 op_.transpose_a == Transpose::yes ? DepthLayout::strided : DepthLayout::contiguous,
                 block.row + strip + i, block.first),
          std::min(kernels_.a_rows, rows - i), block.depth, a + i / kernels_.a_rows * a_bytes);
    kernels_.enter();
    for (int64_t panel = begin; panel < end; ++panel)
      for (int64_t i = 0; i < rows; i += kernels_.a_rows) {
        kernels_.multiply(a + i / kernels_.a_rows * a_bytes, buffers_.b.data() + panel * b_bytes,
                          depth, sums);
        store(block, strip + i, panel * kernels_.b_columns, sums);
      }
    kernels_.leave();
  }

  /// Puts a tile's sums, at (row, column) of the block, where they belong.
  void store(const Block& block, int64_t row, int64_t column, const float* sums) {
    const int64_t stride = kernels_.b_columns;
    const int64_t rows = std::min(kernels_.a_rows, block.rows - row);
    const int64_t columns = std::min(kernels_.b_columns, block.columns - column);
    const bool first = block.first == 0;
    const bool last = block.first + block.depth == op_.k();
    const bool adds = op_.beta == Beta::one;
    const int64_t at = (block.row + row) * op_.n() + block.column + column;
    if (op_.c.dtype == DType::f32)
      return kernels_.store_f32(sums, stride, rows, columns, adds || !first, op_.c.as<float>() + at,
                                op_.n());
    auto* const c = reinterpret_cast<uint16_t*>(op_.c.data) + at;
    if (!keeps_sums_) return kernels_.store_bf16(sums, stride, rows, columns, adds, c, op_.n());
    auto* const kept =
        reinterpret_cast<float*>(buffers_.sums.data()) + row * column_block_ + column;
    kernels_.store_f32(sums, stride, rows, columns, !first, kept, column_block_);
    if (last) kernels_.store_bf16(kept, column_block_, rows, columns, adds, c, op_.n());
  }

  const Gemm& op_;
  const PanelKernels& kernels_;
  int num_threads_;
  PanelBuffers& buffers_;
  int64_t depth_block_, column_block_, strip_rows_;
  bool keeps_sums_;
};

}  // namespace

bool packed_gemm(Stream& stream, const Gemm& op) {
  const PanelKernels* kernels = find_kernels(cpu_level(stream), op.a.dtype);
  if (kernels == nullptr) return false;
  Product product(stream, op, *kernels);
  [[maybe_unused]] const int num_threads = stream.num_threads();
#pragma omp parallel num_threads(num_threads) if (num_threads > 1)
  product.multiply();
  return true;
}

}  // namespace swallow::cpu
