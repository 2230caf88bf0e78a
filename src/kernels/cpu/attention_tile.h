// What both attention passes share: the workspace, where heads lie, packing and products of tiles.
// Tiles are of kAttentionTile tokens; those on the diagonal are masked, those above it skipped.
// All arithmetic is in the accumulation type.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "base/math.h"
#include "kernels/attention.h"
#include "kernels/cpu/register_tile.h"

namespace swallow::cpu {

/// Tokens of a tile of queries or keys. Five tiles of d = 128 and two of scores stay within L2.
inline constexpr int64_t kAttentionTile = 64;

// The workspace: delta [b, n/t, s] of the backward pass, then one scratch a thread.
int64_t attention_delta_bytes(const AttentionShape& shape, DType dtype);
int64_t attention_scratch_bytes(const AttentionShape& shape, DType dtype);
int64_t attention_workspace_bytes(const AttentionShape& shape, DType dtype, int num_threads);
/// Throws ContractError when it is too small for `num_threads`.
void check_attention_workspace(const Tensor& workspace, const AttentionShape& shape, DType dtype,
                               int num_threads);

/// `head_dim` padded so that a row is whole register tiles.
template <class Acc>
int64_t padded_head_dim(const AttentionShape& shape) {
  return round_up(shape.head_dim, kTileWidth<Acc>);
}

/// One thread's part of the workspace; what each tile holds is named where it is used.
template <class Acc>
struct AttentionScratch {
  std::array<Acc*, 4> rows;     // [kAttentionTile, padded_head_dim]
  std::array<Acc*, 2> columns;  // [head_dim, kAttentionTile], room for padded_head_dim rows
  std::array<Acc*, 2> scores;   // [kAttentionTile, kAttentionTile]
  std::array<Acc*, 3> vectors;  // [kAttentionTile]

  static int64_t elements(const AttentionShape& shape) {
    return kAttentionTile * (6 * padded_head_dim<Acc>(shape) + 2 * kAttentionTile + 3);
  }
  AttentionScratch(const AttentionShape& shape, Acc* memory) {
    const auto take = [&](int64_t count) {
      Acc* const start = memory;
      memory += kAttentionTile * count;
      return start;
    };
    for (Acc*& tile : rows) tile = take(padded_head_dim<Acc>(shape));
    for (Acc*& tile : columns) tile = take(padded_head_dim<Acc>(shape));
    for (Acc*& tile : scores) tile = take(kAttentionTile);
    for (Acc*& vector : vectors) vector = take(1);
  }
};

template <class Acc, class Op>
AttentionScratch<Acc> thread_scratch(const Op& op, int64_t thread) {
  const int64_t offset = attention_delta_bytes(op.shape, op.qkv.dtype) +
                         thread * attention_scratch_bytes(op.shape, op.qkv.dtype);
  return {op.shape, reinterpret_cast<Acc*>(static_cast<std::byte*>(op.workspace.data) + offset)};
}

/// Tokens of one head: token i at data + i * stride, head_dim elements each.
template <class T>
struct HeadView {
  T* data;
  int64_t stride;

  [[nodiscard]] HeadView from(int64_t token) const { return {data + token * stride, stride}; }
};

/// Head `slot` of [s, b, heads * d], where heads are counted over the whole row.
template <class T>
HeadView<T> head_of(const Tensor& tensor, const AttentionShape& shape, int64_t batch,
                    int64_t slot) {
  const int64_t width = tensor.size(2);
  return {tensor.as<std::remove_const_t<T>>() + batch * width + slot * shape.head_dim,
          shape.batch * width};
}

/// The tokens of tile `index`, and that number padded to whole register tiles.
struct TokenTile {
  int64_t begin, count, padded;

  TokenTile(const AttentionShape& shape, int64_t index)
      : begin(index * kAttentionTile),
        count(std::min(kAttentionTile, shape.sequence - begin)),
        padded(round_up(count, kTileWidth<float>)) {}
};

inline int64_t num_token_tiles(const AttentionShape& shape) {
  return ceil_div(shape.sequence, kAttentionTile);
}

/// packed[padded tokens, padded_head_dim] = scale * x, zeros in the padding.
template <class T, class Acc>
void pack_rows(const HeadView<T>& x, const TokenTile& tile, int64_t head_dim, Acc scale,
               Acc* packed) {
  const int64_t width = round_up(head_dim, kTileWidth<Acc>);
  const HeadView<T> from = x.from(tile.begin);
  for (int64_t i = 0; i < tile.count; ++i) {
    Acc* const row = packed + i * width;
    for (int64_t j = 0; j < head_dim; ++j)
      row[j] = scale * convert<Acc>(from.data[i * from.stride + j]);
    std::fill(row + head_dim, row + width, Acc{});
  }
  std::fill(packed + tile.count * width, packed + tile.padded * width, Acc{});
}

/// packed[head_dim, kAttentionTile] = scale * x transposed, zeros up to the padded tokens.
template <class T, class Acc>
void pack_columns(const HeadView<T>& x, const TokenTile& tile, int64_t head_dim, Acc scale,
                  Acc* packed) {
  const HeadView<T> from = x.from(tile.begin);
  for (int64_t i = 0; i < tile.count; ++i)
    for (int64_t j = 0; j < head_dim; ++j)
      packed[j * kAttentionTile + i] = scale * convert<Acc>(from.data[i * from.stride + j]);
  for (int64_t j = 0; j < head_dim; ++j)
    std::fill(packed + j * kAttentionTile + tile.count, packed + j * kAttentionTile + tile.padded,
              Acc{});
}

/// c[rows, columns] += a b: a [rows, depth], b [depth, columns]. Rows are a multiple of 4, columns
/// of kTileWidth; b's and c's rows lie `b_stride` and `c_stride` apart.
template <class Acc>
void multiply_tiles(int64_t rows, int64_t columns, int64_t depth, const LeftOperand<Acc>& a,
                    const Acc* b, int64_t b_stride, Acc* c, int64_t c_stride) {
  constexpr int64_t row_count = 4;  // 4 x 2 vectors of sums hide the latency of multiply-add
  for (int64_t j = 0; j < columns; j += kTileWidth<Acc>)
    for (int64_t i = 0; i < rows; i += row_count)
      multiply_registers<row_count, Acc>({a.data + i * a.row_stride, a.row_stride, a.depth_stride},
                                         b + j, b_stride, depth, c + i * c_stride + j, c_stride);
}

/// scores[rows, kAttentionTile] = x y: x [rows.padded, padded_head_dim], y [head_dim,
/// kAttentionTile] for columns.padded tokens.
template <class Acc>
void multiply_scores(const AttentionShape& shape, const TokenTile& rows, const TokenTile& columns,
                     const Acc* x, const Acc* y, Acc* scores) {
  std::fill(scores, scores + rows.padded * kAttentionTile, Acc{});
  multiply_tiles<Acc>(rows.padded, columns.padded, shape.head_dim,
                      {x, padded_head_dim<Acc>(shape), 1}, y, kAttentionTile, scores,
                      kAttentionTile);
}

/// sums[columns of scores, padded_head_dim] += scores^T x: scores [rows, columns], x [rows,
/// padded_head_dim].
template <class Acc>
void add_transposed_product(const AttentionShape& shape, const TokenTile& rows,
                            const TokenTile& columns, const Acc* scores, const Acc* x, Acc* sums) {
  const int64_t width = padded_head_dim<Acc>(shape);
  multiply_tiles<Acc>(columns.padded, width, rows.padded, {scores, 1, kAttentionTile}, x, width,
                      sums, width);
}

}  // namespace swallow::cpu
