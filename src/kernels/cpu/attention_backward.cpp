// With P = exp(scale q k^T - stats) and delta = rowsum(dout * out):
//   dv = P^T dout, dP = dout v^T, dS = P * (dP - delta), dq = scale dS k, dk = scale dS^T q.
// Two passes, each recomputing P by tiles: the first has one task a tile of queries and writes dq,
// the second one task a tile of keys and writes dk and dv, summed over the group's heads and the
// queries in order. No sum is shared by tasks, so bits do not depend on threads; the price is 7
// products of tiles where a single pass with ordered hand-over would need 5.
#include "kernels/cpu/attention_tile.h"
#include "kernels/cpu/vector_exp.h"
#include "kernels/cpu/wide_attention.h"
#include "kernels/cpu/worker.h"

namespace swallow::cpu {

namespace {

/// Where everything of one (batch, query head) lies.
template <class T>
struct QueryHead {
  using Acc = Accumulate<T>;
  HeadView<const T> q, k, v, out, dout;
  HeadView<T> dq;
  const Acc* stats;  // [s]
  Acc* delta;        // [s]

  QueryHead(const AttentionBackward& op, int64_t batch, int64_t head) {
    const AttentionShape& shape = op.shape;
    const int64_t kv_head = head / (shape.heads / shape.kv_heads);
    q = head_of<const T>(op.qkv, shape, batch, head);
    k = head_of<const T>(op.qkv, shape, batch, shape.heads + kv_head);
    v = head_of<const T>(op.qkv, shape, batch, shape.heads + shape.kv_heads + kv_head);
    out = head_of<const T>(op.out, shape, batch, head);
    dout = head_of<const T>(op.dout, shape, batch, head);
    dq = head_of<T>(op.dqkv, shape, batch, head);
    const int64_t row = (batch * shape.heads + head) * shape.sequence;
    stats = op.stats.as<Acc>() + row;
    delta = static_cast<Acc*>(op.workspace.data) + row;  // the workspace begins with them
  }
};

/// padded[i] = values[i] for the tile's tokens, then zeros.
template <class Acc>
void pack_vector(const Acc* values, const TokenTile& tile, Acc* padded) {
  std::copy(values + tile.begin, values + tile.begin + tile.count, padded);
  std::fill(padded + tile.count, padded + tile.padded, Acc{});
}

/// dx[tokens, head_dim] = scale * sums, rounded.
template <class T, class Acc>
void store_rows(const AttentionShape& shape, const TokenTile& tile, const Acc* sums, Acc scale,
                const HeadView<T>& dx) {
  const int64_t width = padded_head_dim<Acc>(shape);
  const HeadView<T> to = dx.from(tile.begin);
  for (int64_t i = 0; i < tile.count; ++i)
    for (int64_t j = 0; j < shape.head_dim; ++j)
      to.data[i * to.stride + j] = convert<T>(scale * sums[i * width + j]);
}

template <class T>
void compute_delta(const AttentionShape& shape, const QueryHead<T>& head, const TokenTile& tile) {
  using Acc = Accumulate<T>;
  const auto out = head.out.from(tile.begin);
  const auto dout = head.dout.from(tile.begin);
  for (int64_t i = 0; i < tile.count; ++i) {
    Acc sum{};
    for (int64_t j = 0; j < shape.head_dim; ++j)
      sum +=
          convert<Acc>(out.data[i * out.stride + j]) * convert<Acc>(dout.data[i * dout.stride + j]);
    head.delta[tile.begin + i] = sum;
  }
}

/// First pass: delta and dq of one tile of queries. Scores are [keys, queries].
template <class T>
void backward_queries(const AttentionBackward& op, int64_t batch, int64_t head_index, int64_t tile,
                      const AttentionScratch<Accumulate<T>>& scratch) {
  using Acc = Accumulate<T>;
  const AttentionShape& shape = op.shape;
  const QueryHead<T> head(op, batch, head_index);
  const TokenTile queries(shape, tile);
  const auto [k_rows, v_rows, dq_sums, unused] = scratch.rows;
  const auto [q_columns, dout_columns] = scratch.columns;
  const auto [p, ds] = scratch.scores;
  Acc* const stats = scratch.vectors[0];
  Acc* const delta = scratch.vectors[1];
  compute_delta(shape, head, queries);
  pack_vector(head.stats, queries, stats);
  pack_vector<Acc>(head.delta, queries, delta);
  pack_columns(head.q, queries, shape.head_dim, static_cast<Acc>(op.scale), q_columns);
  pack_columns(head.dout, queries, shape.head_dim, Acc{1}, dout_columns);
  std::fill(dq_sums, dq_sums + queries.padded * padded_head_dim<Acc>(shape), Acc{});

  for (int64_t key_tile = 0; key_tile <= tile; ++key_tile) {
    const TokenTile keys(shape, key_tile);
    pack_rows(head.k, keys, shape.head_dim, Acc{1}, k_rows);
    pack_rows(head.v, keys, shape.head_dim, Acc{1}, v_rows);
    multiply_scores(shape, keys, queries, k_rows, q_columns, p);
    multiply_scores(shape, keys, queries, v_rows, dout_columns, ds);
    for (int64_t key = 0; key < keys.padded; ++key) {
      const Acc* const p_row = p + key * kAttentionTile;
      Acc* const ds_row = ds + key * kAttentionTile;
      const int64_t begin = key_tile == tile ? key : 0;  // earlier queries do not see this key
      std::fill(ds_row, ds_row + begin, Acc{});
      for (int64_t i = begin; i < queries.padded; ++i)
        ds_row[i] = vector_exp(p_row[i] - stats[i]) * (ds_row[i] - delta[i]);
    }
    add_transposed_product(shape, keys, queries, ds, k_rows, dq_sums);
  }
  store_rows<T>(shape, queries, dq_sums, static_cast<Acc>(op.scale), head.dq);
}

/// Second pass: dk and dv of one tile of keys. Scores are [queries, keys].
template <class T>
void backward_keys(const AttentionBackward& op, int64_t batch, int64_t kv_head, int64_t tile,
                   const AttentionScratch<Accumulate<T>>& scratch) {
  using Acc = Accumulate<T>;
  const AttentionShape& shape = op.shape;
  const int64_t group = shape.heads / shape.kv_heads;
  const TokenTile keys(shape, tile);
  const auto [q_rows, dout_rows, dk_sums, dv_sums] = scratch.rows;
  const auto [k_columns, v_columns] = scratch.columns;
  const auto [p, ds] = scratch.scores;
  const QueryHead<T> first(op, batch, kv_head * group);
  pack_columns(first.k, keys, shape.head_dim, Acc{1}, k_columns);
  pack_columns(first.v, keys, shape.head_dim, Acc{1}, v_columns);
  const int64_t size = keys.padded * padded_head_dim<Acc>(shape);
  std::fill(dk_sums, dk_sums + size, Acc{});
  std::fill(dv_sums, dv_sums + size, Acc{});

  for (int64_t i = 0; i < group; ++i) {
    const QueryHead<T> head(op, batch, kv_head * group + i);
    for (int64_t query_tile = tile; query_tile < num_token_tiles(shape); ++query_tile) {
      const TokenTile queries(shape, query_tile);
      // Scaled here, q gives both the scores and dk their factor.
      pack_rows(head.q, queries, shape.head_dim, static_cast<Acc>(op.scale), q_rows);
      pack_rows(head.dout, queries, shape.head_dim, Acc{1}, dout_rows);
      pack_vector(head.stats, queries, scratch.vectors[0]);
      pack_vector<Acc>(head.delta, queries, scratch.vectors[1]);
      multiply_scores(shape, queries, keys, q_rows, k_columns, p);
      multiply_scores(shape, queries, keys, dout_rows, v_columns, ds);
      for (int64_t query = 0; query < queries.padded; ++query) {
        Acc* const p_row = p + query * kAttentionTile;
        Acc* const ds_row = ds + query * kAttentionTile;
        const Acc stats = scratch.vectors[0][query];
        const Acc delta = scratch.vectors[1][query];
        const int64_t end = query_tile == tile ? query + 1 : keys.padded;
        for (int64_t key = 0; key < end; ++key) {
          p_row[key] = vector_exp(p_row[key] - stats);
          ds_row[key] = p_row[key] * (ds_row[key] - delta);
        }
        std::fill(p_row + end, p_row + keys.padded, Acc{});
        std::fill(ds_row + end, ds_row + keys.padded, Acc{});
      }
      add_transposed_product(shape, queries, keys, p, dout_rows, dv_sums);
      add_transposed_product(shape, queries, keys, ds, q_rows, dk_sums);
    }
  }
  store_rows<T>(shape, keys, dk_sums, Acc{1},
                head_of<T>(op.dqkv, shape, batch, shape.heads + kv_head));
  store_rows<T>(shape, keys, dv_sums, Acc{1},
                head_of<T>(op.dqkv, shape, batch, shape.heads + shape.kv_heads + kv_head));
}

}  // namespace

void run(Stream& stream, const AttentionBackward& op) {
  const AttentionShape& shape = op.shape;
  const int num_threads = stream.num_threads();
  check_attention_workspace(op.workspace, shape, op.qkv.dtype, num_threads);
  if (wide_attention(stream, op)) return;
  const int64_t tiles = num_token_tiles(shape);
  const int64_t heads = shape.batch * shape.heads;
  const int64_t kv_heads = shape.batch * shape.kv_heads;
  visit_dtype(op.qkv.dtype, [&]<class T>(std::type_identity<T>) {
    using Acc = Accumulate<T>;
    // In both passes the longest tasks go first, so that threads end together.
#pragma omp parallel for num_threads(num_threads) schedule(dynamic) if (heads * tiles > 1)
    for (int64_t task = 0; task < heads * tiles; ++task) {
      const int64_t head = task % heads;
      backward_queries<T>(op, head / shape.heads, head % shape.heads, tiles - 1 - task / heads,
                          thread_scratch<Acc>(op, worker()));
    }
#pragma omp parallel for num_threads(num_threads) schedule(dynamic) if (kv_heads * tiles > 1)
    for (int64_t task = 0; task < kv_heads * tiles; ++task) {
      const int64_t head = task % kv_heads;
      backward_keys<T>(op, head / shape.kv_heads, head % shape.kv_heads, task / kv_heads,
                       thread_scratch<Acc>(op, worker()));
    }
  });
}

}  // namespace swallow::cpu
