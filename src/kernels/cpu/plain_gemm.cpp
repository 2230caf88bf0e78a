// Blocked as in Goto & van de Geijn ("Anatomy of high-performance matrix multiplication", 2008): a
// thread takes a tile of c, packs the matching strips of a and b block by block over k into the
// accumulation type, and a register kernel multiplies them. Packing also undoes transposes and
// widens bf16, so there is one register kernel per accumulation type.
#include "kernels/cpu/plain_gemm.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/math.h"
#include "kernels/cpu/register_tile.h"
#include "kernels/cpu/worker.h"

namespace swallow::cpu {

namespace {

constexpr int64_t kStripRows = 6;  // 6 x 2 vectors of sums, 2 of b, 1 of a: AVX2's 16 registers
template <class Acc>
constexpr int64_t kStripColumns = kTileWidth<Acc>;

// Tile of c and block of k: packed a (144 x 256) stays in L2 while strips of b stream through L1.
constexpr int64_t kTileRows = 144;
constexpr int64_t kTileColumns = 256;
constexpr int64_t kBlockK = 256;
static_assert(kTileRows % kStripRows == 0 && kTileColumns % kStripColumns<float> == 0);

/// One thread's packed operands and sums. Sized for f64, used for both types.
struct Workspace {
  Buffer a{Device{}, kTileRows* kBlockK* size_of(DType::f64)};
  Buffer b{Device{}, kTileColumns* kBlockK* size_of(DType::f64)};
  Buffer sums{Device{}, kTileRows* kTileColumns* size_of(DType::f64)};
};

/// Kept on the stream: one workspace a thread.
struct Workspaces {
  std::vector<Workspace> of_thread;
};

/// A matrix with any strides, which is how transposes are read.
template <class T>
struct Strided {
  const T* data;
  int64_t row_stride;
  int64_t column_stride;

  [[nodiscard]] Strided from(int64_t row, int64_t column) const {
    return {data + row * row_stride + column * column_stride, row_stride, column_stride};
  }
};

template <class T>
Strided<T> strided(const Tensor& matrix, Transpose transpose) {
  const int64_t width = matrix.size(1);
  if (transpose == Transpose::no) return {matrix.as<T>(), width, 1};
  return {matrix.as<T>(), 1, width};
}

/// packed = strips of `kWidth` rows of x, each strip [depth, kWidth], the last one padded with
/// zeros. x is [rows, depth] from its first element on.
template <int64_t kWidth, class T, class Acc>
void pack(const Strided<T>& x, int64_t rows, int64_t depth, Acc* packed) {
  for (int64_t strip = 0; strip < rows; strip += kWidth, packed += kWidth * depth) {
    const int64_t width = std::min(kWidth, rows - strip);
    const T* from = x.data + strip * x.row_stride;
    if (width == kWidth && x.row_stride == 1) {
      for (int64_t p = 0; p < depth; ++p)
        for (int64_t i = 0; i < kWidth; ++i)
          packed[p * kWidth + i] = convert<Acc>(from[p * x.column_stride + i]);
      continue;
    }
    if (width < kWidth) std::fill(packed, packed + kWidth * depth, Acc{});
    for (int64_t i = 0; i < width; ++i)
      for (int64_t p = 0; p < depth; ++p)
        packed[p * kWidth + i] = convert<Acc>(from[i * x.row_stride + p * x.column_stride]);
  }
}

/// c tile = sums, or += sums, rounded once.
template <class C, class Acc>
void store(const Acc* sums, int64_t rows, int64_t columns, Beta beta, C* c, int64_t stride) {
  for (int64_t i = 0; i < rows; ++i, c += stride, sums += kTileColumns) {
    if (beta == Beta::zero) {
      for (int64_t j = 0; j < columns; ++j) c[j] = convert<C>(sums[j]);
    } else {
      for (int64_t j = 0; j < columns; ++j) c[j] = convert<C>(convert<Acc>(c[j]) + sums[j]);
    }
  }
}

/// One tile of c, rows [row, row + rows), columns [column, column + columns).
template <class T>
void multiply_tile(const Gemm& op, int64_t row, int64_t column, Workspace& workspace) {
  using Acc = Accumulate<T>;
  const int64_t rows = std::min(kTileRows, op.m() - row);
  const int64_t columns = std::min(kTileColumns, op.n() - column);
  auto* packed_a = reinterpret_cast<Acc*>(workspace.a.data());
  auto* packed_b = reinterpret_cast<Acc*>(workspace.b.data());
  auto* sums = reinterpret_cast<Acc*>(workspace.sums.data());
  std::fill(sums, sums + round_up(rows, kStripRows) * kTileColumns, Acc{});

  const Strided<T> a = strided<T>(op.a, op.transpose_a);
  Strided<T> b = strided<T>(op.b, op.transpose_b);
  std::swap(b.row_stride, b.column_stride);  // strips of b run along n: read it as [n, k]
  for (int64_t p = 0; p < op.k(); p += kBlockK) {
    const int64_t depth = std::min(kBlockK, op.k() - p);
    pack<kStripRows>(a.from(row, p), rows, depth, packed_a);
    pack<kStripColumns<Acc>>(b.from(column, p), columns, depth, packed_b);
    for (int64_t j = 0; j < columns; j += kStripColumns<Acc>)
      for (int64_t i = 0; i < rows; i += kStripRows)
        multiply_registers<kStripRows, Acc>({packed_a + i * depth, 1, kStripRows},
                                            packed_b + j * depth, kStripColumns<Acc>, depth,
                                            sums + i * kTileColumns + j, kTileColumns);
  }
  visit_dtype(op.c.dtype, [&]<class C>(std::type_identity<C>) {
    store(sums, rows, columns, op.beta, op.c.as<C>() + row * op.n() + column, op.n());
  });
}

}  // namespace

void plain_gemm(Stream& stream, const Gemm& op) {
  auto& workspaces = stream.extension<Workspaces>().of_thread;
  const int num_threads = stream.num_threads();
  workspaces.resize(static_cast<size_t>(num_threads));
  visit_dtype(op.a.dtype, [&]<class T>(std::type_identity<T>) {
    const int64_t across = ceil_div(op.n(), kTileColumns);
    const int64_t tiles = ceil_div(op.m(), kTileRows) * across;
#pragma omp parallel for num_threads(num_threads) schedule(dynamic) if (tiles > 1)
    for (int64_t tile = 0; tile < tiles; ++tile)
      multiply_tile<T>(op, tile / across * kTileRows, tile % across * kTileColumns,
                       workspaces[static_cast<size_t>(worker())]);
  });
}

}  // namespace swallow::cpu
