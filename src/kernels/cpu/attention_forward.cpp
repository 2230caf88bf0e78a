// A task is one tile of queries of one head; it meets the tiles of keys from the first to its own,
// keeping for each query the running maximum m and sum l of exp(score - m) (online softmax: Milakov
// & Gimelshein, arXiv 1805.02867). Scores are held transposed, [keys, queries], so that softmax is
// element-wise along contiguous queries and no key tile has to be transposed.
#include <cmath>

#include "kernels/cpu/attention_tile.h"
#include "kernels/cpu/vector_exp.h"
#include "kernels/cpu/wide_attention.h"
#include "kernels/cpu/worker.h"

namespace swallow::cpu {

namespace {

/// Running statistics of a tile's queries, and what their sums so far are to be multiplied by.
template <class Acc>
struct SoftmaxState {
  Acc* maximum;
  Acc* sum;
  Acc* correction;
};

/// Minus infinity where a key lies after a query; both tiles begin at the same token.
template <class Acc>
void mask_future(const TokenTile& tile, Acc* scores) {
  for (int64_t key = 0; key < tile.padded; ++key)
    std::fill(scores + key * kAttentionTile, scores + key * kAttentionTile + key,
              -std::numeric_limits<Acc>::infinity());
}

/// scores = exp(scores - maximum) after the maximum has taken these scores in; the sums follow.
template <class Acc>
void softmax_step(const TokenTile& keys, const TokenTile& queries, Acc* scores,
                  const SoftmaxState<Acc>& state) {
  const int64_t width = queries.padded;
  Acc* const maximum = state.maximum;
  Acc* const correction = state.correction;
  Acc* const sum = state.sum;
  std::copy(maximum, maximum + width, correction);  // for now: the maximum before
  for (int64_t key = 0; key < keys.padded; ++key) {
    const Acc* const row = scores + key * kAttentionTile;
    for (int64_t i = 0; i < width; ++i) maximum[i] = row[i] > maximum[i] ? row[i] : maximum[i];
  }
  for (int64_t i = 0; i < width; ++i) {
    correction[i] = vector_exp(correction[i] - maximum[i]);
    sum[i] *= correction[i];
  }
  for (int64_t key = 0; key < keys.padded; ++key) {
    Acc* const row = scores + key * kAttentionTile;
    for (int64_t i = 0; i < width; ++i) row[i] = vector_exp(row[i] - maximum[i]);
    for (int64_t i = 0; i < width; ++i) sum[i] += row[i];
  }
}

/// out = sums / sum, stats = maximum + log(sum), for the tile's real queries.
template <class T, class Acc>
void finish_queries(const AttentionForward& op, const TokenTile& queries, const HeadView<T>& out,
                    const Acc* sums, const SoftmaxState<Acc>& state, Acc* stats) {
  const int64_t head_dim = op.shape.head_dim;
  const HeadView<T> to = out.from(queries.begin);
  for (int64_t i = 0; i < queries.count; ++i) {
    const Acc* const row = sums + i * padded_head_dim<Acc>(op.shape);
    const Acc factor = Acc{1} / state.sum[i];
    for (int64_t j = 0; j < head_dim; ++j) to.data[i * to.stride + j] = convert<T>(row[j] * factor);
    stats[queries.begin + i] = state.maximum[i] + std::log(state.sum[i]);
  }
}

template <class T>
void forward_tile(const AttentionForward& op, int64_t batch, int64_t head, int64_t tile,
                  const AttentionScratch<Accumulate<T>>& scratch) {
  using Acc = Accumulate<T>;
  const AttentionShape& shape = op.shape;
  const int64_t width = padded_head_dim<Acc>(shape);
  const int64_t kv_head = head / (shape.heads / shape.kv_heads);
  const auto q = head_of<const T>(op.qkv, shape, batch, head);
  const auto k = head_of<const T>(op.qkv, shape, batch, shape.heads + kv_head);
  const auto v = head_of<const T>(op.qkv, shape, batch, shape.heads + shape.kv_heads + kv_head);

  const TokenTile queries(shape, tile);
  const auto [k_rows, v_rows, sums, unused] = scratch.rows;
  Acc* const q_columns = scratch.columns[0];
  Acc* const scores = scratch.scores[0];  // [keys, queries]
  const SoftmaxState<Acc> state{scratch.vectors[0], scratch.vectors[1], scratch.vectors[2]};
  pack_columns(q, queries, shape.head_dim, static_cast<Acc>(op.scale), q_columns);
  std::fill(sums, sums + queries.padded * width, Acc{});
  std::fill(state.maximum, state.maximum + queries.padded, -std::numeric_limits<Acc>::infinity());
  std::fill(state.sum, state.sum + queries.padded, Acc{});

  for (int64_t key_tile = 0; key_tile <= tile; ++key_tile) {
    const TokenTile keys(shape, key_tile);
    pack_rows(k, keys, shape.head_dim, Acc{1}, k_rows);
    pack_rows(v, keys, shape.head_dim, Acc{1}, v_rows);
    multiply_scores(shape, keys, queries, k_rows, q_columns, scores);
    if (key_tile == tile) mask_future(queries, scores);
    softmax_step(keys, queries, scores, state);
    for (int64_t i = 0; i < queries.padded; ++i)
      for (int64_t j = 0; j < width; ++j) sums[i * width + j] *= state.correction[i];
    add_transposed_product(shape, keys, queries, scores, v_rows, sums);
  }
  Acc* const stats = op.stats.as<Acc>() + (batch * shape.heads + head) * shape.sequence;
  finish_queries(op, queries, head_of<T>(op.out, shape, batch, head), sums, state, stats);
}

}  // namespace

void run(Stream& stream, const AttentionForward& op) {
  const AttentionShape& shape = op.shape;
  const int num_threads = stream.num_threads();
  check_attention_workspace(op.workspace, shape, op.qkv.dtype, num_threads);
  if (wide_attention(stream, op)) return;
  const int64_t tiles = num_token_tiles(shape);
  const int64_t heads = shape.batch * shape.heads;
  visit_dtype(op.qkv.dtype, [&]<class T>(std::type_identity<T>) {
#pragma omp parallel for num_threads(num_threads) schedule(dynamic) if (heads * tiles > 1)
    for (int64_t task = 0; task < heads * tiles; ++task) {
      const AttentionScratch<Accumulate<T>> scratch = thread_scratch<Accumulate<T>>(op, worker());
      // Late tiles are the long ones: they go first, so that threads end together.
      const int64_t head = task % heads;
      forward_tile<T>(op, head / shape.heads, head % shape.heads, tiles - 1 - task / heads,
                      scratch);
    }
  });
}

}  // namespace swallow::cpu
