// Attention's tasks in 512-bit vectors, for any kind of product. `Operands` says how operands of
// products lie and multiplies them; all sums and softmax are f32. Scores are [rows, kWideTile] with
// what is summed over along the rows, and results are summed transposed, [head_dim, tokens], so
// that the factors of a token are a vector. Internal to each file that includes it.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/cpu/attention_kernels.h"
#include "kernels/cpu/avx512_vectors.h"

namespace swallow::cpu {
namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kGroups = kWideTile / kLanes;

/// exp(x) to 2 units in the last place; 0 below -87, NaN for NaN. The series of vector_exp.h.
inline __m512 exp_of(__m512 x) {
  const __mmask16 real = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.0F), _CMP_NLT_UQ);
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(0x1.715476p+0F)), 0);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.62e4p-1F), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.7f7d1cp-20F), r);
  __m512 series = _mm512_set1_ps(1.0F / 5040);
  series = _mm512_fmadd_ps(series, r, _mm512_set1_ps(1.0F / 720));
  series = _mm512_fmadd_ps(series, r, _mm512_set1_ps(1.0F / 120));
  series = _mm512_fmadd_ps(series, r, _mm512_set1_ps(1.0F / 24));
  series = _mm512_fmadd_ps(series, r, _mm512_set1_ps(1.0F / 6));
  series = _mm512_fmadd_ps(series, r, _mm512_set1_ps(0.5F));
  series = _mm512_fmadd_ps(series, r, _mm512_set1_ps(1.0F));
  series = _mm512_fmadd_ps(series, r, _mm512_set1_ps(1.0F));
  return _mm512_maskz_scalef_ps(real, series, n);
}

/// Tokens [begin, begin + count) of a head.
template <class Element>
struct TokenTile {
  Element* data;
  int64_t stride, count, head_dim;
};

template <class Element>
TokenTile<Element> tile_of(const TokenRows& rows, int64_t sequence, int64_t head_dim,
                           int64_t tile) {
  const int64_t begin = tile * kWideTile;
  const int64_t count = sequence - begin < kWideTile ? sequence - begin : kWideTile;
  return {static_cast<Element*>(rows.data) + begin * rows.stride, rows.stride, count, head_dim};
}

/// One thread's memory; D is the head dimension padded to Operands::kDepthStep.
template <class Operands>
struct Scratch {
  using Packed = typename Operands::Packed;
  Packed* rows[2];        // [kWideTile, D]: tokens as rows of a left operand
  Packed* transposed[2];  // [D, kWideTile]: head_dim as rows of a left operand
  Packed* columns[2];     // D by kWideTile: tokens as columns of a right operand
  Packed* right[2];       // kWideTile by kWideTile: scores as a right operand
  float* scores[2];       // [kWideTile, kWideTile]
  float* sums[2];         // [D, kWideTile]
  float* vectors[2];      // [kWideTile]

  static int64_t depth(int64_t head_dim) {
    return (head_dim + Operands::kDepthStep - 1) / Operands::kDepthStep * Operands::kDepthStep;
  }
  static int64_t bytes(int64_t head_dim) {
    const int64_t packed = 6 * depth(head_dim) + 2 * kWideTile;
    const int64_t plain = 2 * kWideTile + 2 * depth(head_dim) + 2;
    return kWideTile * (packed * static_cast<int64_t>(sizeof(Packed)) + plain * 4);
  }
  Scratch(void* memory, int64_t head_dim) {
    const int64_t d = depth(head_dim);
    auto* packed = static_cast<Packed*>(memory);
    for (int i = 0; i < 2; ++i, packed += kWideTile * d) rows[i] = packed;
    for (int i = 0; i < 2; ++i, packed += kWideTile * d) transposed[i] = packed;
    for (int i = 0; i < 2; ++i, packed += kWideTile * d) columns[i] = packed;
    for (int i = 0; i < 2; ++i, packed += kWideTile * kWideTile) right[i] = packed;
    auto* plain = reinterpret_cast<float*>(packed);
    for (int i = 0; i < 2; ++i, plain += kWideTile * kWideTile) scores[i] = plain;
    for (int i = 0; i < 2; ++i, plain += kWideTile * d) sums[i] = plain;
    for (int i = 0; i < 2; ++i, plain += kWideTile) vectors[i] = plain;
  }
};

inline void clear(float* x, int64_t count) {
  for (int64_t i = 0; i < count; i += kLanes) _mm512_storeu_ps(x + i, _mm512_setzero_ps());
}

/// Which columns of a tile of scores may meet a row: all below the diagonal; on it, with keys as
/// rows and queries as columns, those from the row on; the other way round, those up to the row.
enum class Causal : uint8_t { all, from, up_to };
inline __mmask16 visible(Causal causal, int64_t row, int64_t group) {
  if (causal == Causal::all) return 0xffff;
  const int64_t lane = row - group * kLanes;  // of the diagonal
  if (causal == Causal::from)
    return static_cast<__mmask16>(lane <= 0 ? 0xffff : lane > 15 ? 0 : 0xffffU << lane);
  return static_cast<__mmask16>(lane < 0 ? 0 : lane >= 15 ? 0xffff : 0xffffU >> (15 - lane));
}

/// to[tokens, head_dim] = factor * sums transposed, `factor` one for each token.
template <class Operands>
void store_transposed(const float* sums, const float* factor,
                      const TokenTile<typename Operands::Element>& to) {
  for (int64_t group = 0; group < kGroups && group * kLanes < to.count; ++group) {
    const __m512 factors = _mm512_loadu_ps(factor + group * kLanes);
    const int64_t left = to.count - group * kLanes;
    for (int64_t d = 0; d < to.head_dim; d += kLanes) {
      __m512i square[16];
      for (int64_t i = 0; i < kLanes; ++i)
        square[i] = _mm512_castps_si512(
            _mm512_mul_ps(_mm512_loadu_ps(sums + (d + i) * kWideTile + group * kLanes), factors));
      transpose_square(square);
      const int64_t room = to.head_dim - d;
      const __mmask16 lanes = first_lanes(room < kLanes ? room : kLanes);
      for (int64_t i = 0; i < kLanes && i < left; ++i)
        Operands::store(to.data + (group * kLanes + i) * to.stride + d, lanes,
                        _mm512_castsi512_ps(square[i]));
    }
  }
}

/// The running softmax (see attention_forward.cpp) of one tile of scores, [keys, queries]: leaves
/// the probabilities in `right` and multiplies `sums` by what the new maxima ask for.
template <class Operands>
void softmax_step(const WideForwardTask& task, Causal causal, const Scratch<Operands>& scratch) {
  const __m512 scale = _mm512_set1_ps(task.scale);
  const __m512 minus_infinity = _mm512_set1_ps(-__builtin_inff());
  for (int64_t group = 0; group < kGroups; ++group) {
    const float* const scores = scratch.scores[0] + group * kLanes;
    const auto score = [&](int64_t key) {
      return _mm512_mask_mul_ps(minus_infinity, visible(causal, key, group),
                                _mm512_loadu_ps(scores + key * kWideTile), scale);
    };
    const __m512 before = _mm512_loadu_ps(task.maximum + group * kLanes);
    __m512 maxima[4] = {before, before, before, before};
    for (int64_t key = 0; key < kWideTile; key += 4)
      for (int64_t i = 0; i < 4; ++i) maxima[i] = _mm512_max_ps(maxima[i], score(key + i));
    const __m512 maximum =
        _mm512_max_ps(_mm512_max_ps(maxima[0], maxima[1]), _mm512_max_ps(maxima[2], maxima[3]));
    __m512 added[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    for (int64_t key = 0; key < kWideTile; key += 2) {
      const __m512 even = exp_of(_mm512_sub_ps(score(key), maximum));
      const __m512 odd = exp_of(_mm512_sub_ps(score(key + 1), maximum));
      added[0] = _mm512_add_ps(added[0], even);
      added[1] = _mm512_add_ps(added[1], odd);
      Operands::store_right(scratch.right[0], key, group, even, odd);
    }
    const __m512 correction = exp_of(_mm512_sub_ps(before, maximum));
    float* const sum = task.sum + group * kLanes;
    _mm512_storeu_ps(
        sum, _mm512_fmadd_ps(_mm512_loadu_ps(sum), correction, _mm512_add_ps(added[0], added[1])));
    _mm512_storeu_ps(task.maximum + group * kLanes, maximum);
    for (int64_t d = 0; d < Scratch<Operands>::depth(task.head_dim); ++d) {
      float* const row = scratch.sums[0] + d * kWideTile + group * kLanes;
      _mm512_storeu_ps(row, _mm512_mul_ps(_mm512_loadu_ps(row), correction));
    }
  }
}

template <class Operands>
void forward(const WideForwardTask& task) {
  using Element = typename Operands::Element;
  const Scratch<Operands> scratch(task.scratch, task.head_dim);
  const int64_t depth = Scratch<Operands>::depth(task.head_dim);
  const auto tile = [&](const TokenRows& rows, int64_t index) {
    return tile_of<Element>(rows, task.sequence, task.head_dim, index);
  };
  Operands::enter();
  Operands::pack_columns(tile(task.q, task.tile), depth, scratch.columns[0]);
  clear(scratch.sums[0], depth * kWideTile);
  clear(task.sum, kWideTile);
  for (int64_t i = 0; i < kWideTile; ++i) task.maximum[i] = -__builtin_inff();
  for (int64_t keys = 0; keys <= task.tile; ++keys) {
    Operands::pack_rows(tile(task.k, keys), depth, scratch.rows[0]);
    Operands::pack_transposed(tile(task.v, keys), depth, scratch.transposed[0]);
    Operands::template multiply<false>(scratch.rows[0], scratch.columns[0], kWideTile, depth,
                                       scratch.scores[0]);
    softmax_step(task, keys == task.tile ? Causal::from : Causal::all, scratch);
    Operands::template multiply<true>(scratch.transposed[0], scratch.right[0], depth, kWideTile,
                                      scratch.sums[0]);
  }
  Operands::leave();
  for (int64_t i = 0; i < kWideTile; ++i) scratch.vectors[0][i] = 1 / task.sum[i];
  store_transposed<Operands>(scratch.sums[0], scratch.vectors[0], tile(task.out, task.tile));
}

/// delta[token] = out . dout, and the tile's stats and delta padded with zeros.
template <class Operands>
void compute_delta(const WideBackwardQueriesTask& task, float* stats, float* delta) {
  using Element = typename Operands::Element;
  const auto out = tile_of<Element>(task.out, task.sequence, task.head_dim, task.tile);
  const auto dout = tile_of<Element>(task.dout, task.sequence, task.head_dim, task.tile);
  const int64_t begin = task.tile * kWideTile;
  clear(stats, kWideTile);
  clear(delta, kWideTile);
  for (int64_t i = 0; i < out.count; ++i) {
    __m512 sums = _mm512_setzero_ps();
    for (int64_t d = 0; d < out.head_dim; d += kLanes) {
      const int64_t room = out.head_dim - d;
      const __mmask16 lanes = first_lanes(room < kLanes ? room : kLanes);
      sums = _mm512_fmadd_ps(Operands::load(out.data + i * out.stride + d, lanes),
                             Operands::load(dout.data + i * dout.stride + d, lanes), sums);
    }
    stats[i] = task.stats[begin + i];
    delta[i] = task.delta[begin + i] = _mm512_reduce_add_ps(sums);
  }
}

template <class Operands>
void backward_queries(const WideBackwardQueriesTask& task) {
  using Element = typename Operands::Element;
  const Scratch<Operands> scratch(task.scratch, task.head_dim);
  const int64_t depth = Scratch<Operands>::depth(task.head_dim);
  const auto tile = [&](const TokenRows& rows, int64_t index) {
    return tile_of<Element>(rows, task.sequence, task.head_dim, index);
  };
  const auto [stats, delta] = scratch.vectors;
  compute_delta<Operands>(task, stats, delta);
  Operands::enter();
  Operands::pack_columns(tile(task.q, task.tile), depth, scratch.columns[0]);
  Operands::pack_columns(tile(task.dout, task.tile), depth, scratch.columns[1]);
  clear(scratch.sums[0], depth * kWideTile);
  const __m512 scale = _mm512_set1_ps(task.scale);
  for (int64_t keys = 0; keys <= task.tile; ++keys) {
    Operands::pack_rows(tile(task.k, keys), depth, scratch.rows[0]);
    Operands::pack_rows(tile(task.v, keys), depth, scratch.rows[1]);
    Operands::pack_transposed(tile(task.k, keys), depth, scratch.transposed[0]);
    for (int i = 0; i < 2; ++i)
      Operands::template multiply<false>(scratch.rows[i], scratch.columns[i], kWideTile, depth,
                                         scratch.scores[i]);
    const Causal causal = keys == task.tile ? Causal::from : Causal::all;
    for (int64_t group = 0; group < kGroups; ++group) {
      const __m512 of_query = _mm512_loadu_ps(stats + group * kLanes);
      const __m512 subtracted = _mm512_loadu_ps(delta + group * kLanes);
      const auto ds = [&](int64_t key) {
        const int64_t at = key * kWideTile + group * kLanes;
        const __m512 p =
            exp_of(_mm512_fmsub_ps(_mm512_loadu_ps(scratch.scores[0] + at), scale, of_query));
        return _mm512_maskz_mul_ps(
            visible(causal, key, group), p,
            _mm512_sub_ps(_mm512_loadu_ps(scratch.scores[1] + at), subtracted));
      };
      for (int64_t key = 0; key < kWideTile; key += 2)
        Operands::store_right(scratch.right[0], key, group, ds(key), ds(key + 1));
    }
    Operands::template multiply<true>(scratch.transposed[0], scratch.right[0], depth, kWideTile,
                                      scratch.sums[0]);
  }
  Operands::leave();
  for (int64_t i = 0; i < kWideTile; i += kLanes) _mm512_storeu_ps(stats + i, scale);
  store_transposed<Operands>(scratch.sums[0], stats, tile(task.dq, task.tile));
}

/// Probabilities and gradients of scores, [queries, keys], as right operands. `stats` and `delta`
/// are those of the tile's first query; beyond `count` all operands are zero.
template <class Operands>
void probabilities(const Scratch<Operands>& scratch, const float* stats, const float* delta,
                   int64_t count, float scale_factor, Causal causal) {
  const __m512 scale = _mm512_set1_ps(scale_factor);
  const auto of_query = [=](const float* values, int64_t query) {
    return _mm512_set1_ps(query < count ? values[query] : 0.0F);
  };
  for (int64_t query = 0; query < kWideTile; query += 2)
    for (int64_t group = 0; group < kGroups; ++group) {
      __m512 p[2];
      __m512 ds[2];
      for (int64_t i = 0; i < 2; ++i) {
        const int64_t at = (query + i) * kWideTile + group * kLanes;
        const __mmask16 lanes = visible(causal, query + i, group);
        p[i] = _mm512_maskz_mov_ps(
            lanes, exp_of(_mm512_fmsub_ps(_mm512_loadu_ps(scratch.scores[0] + at), scale,
                                          of_query(stats, query + i))));
        ds[i] = _mm512_maskz_mul_ps(
            lanes, p[i],
            _mm512_sub_ps(_mm512_loadu_ps(scratch.scores[1] + at), of_query(delta, query + i)));
      }
      Operands::store_right(scratch.right[0], query, group, p[0], p[1]);
      Operands::store_right(scratch.right[1], query, group, ds[0], ds[1]);
    }
}

template <class Operands>
void backward_keys(const WideBackwardKeysTask& task) {
  using Element = typename Operands::Element;
  const Scratch<Operands> scratch(task.scratch, task.head_dim);
  const int64_t depth = Scratch<Operands>::depth(task.head_dim);
  const auto tile = [&](const TokenRows& rows, int64_t index) {
    return tile_of<Element>(rows, task.sequence, task.head_dim, index);
  };
  const auto [dv_sums, dk_sums] = scratch.sums;
  Operands::enter();
  Operands::pack_columns(tile(task.k, task.tile), depth, scratch.columns[0]);
  Operands::pack_columns(tile(task.v, task.tile), depth, scratch.columns[1]);
  clear(dv_sums, depth * kWideTile);
  clear(dk_sums, depth * kWideTile);
  for (int64_t head = 0; head < task.group; ++head)
    for (int64_t queries = task.tile; queries * kWideTile < task.sequence; ++queries) {
      auto q = tile(task.q, queries);
      auto dout = tile(task.dout, queries);
      q.data += head * task.head_dim;
      dout.data += head * task.head_dim;
      Operands::pack_rows(q, depth, scratch.rows[0]);
      Operands::pack_rows(dout, depth, scratch.rows[1]);
      Operands::pack_transposed(dout, depth, scratch.transposed[0]);
      Operands::pack_transposed(q, depth, scratch.transposed[1]);
      for (int i = 0; i < 2; ++i)
        Operands::template multiply<false>(scratch.rows[i], scratch.columns[i], kWideTile, depth,
                                           scratch.scores[i]);
      const int64_t first = head * task.sequence + queries * kWideTile;
      probabilities(scratch, task.stats + first, task.delta + first, q.count, task.scale,
                    queries == task.tile ? Causal::up_to : Causal::all);
      Operands::template multiply<true>(scratch.transposed[0], scratch.right[0], depth, kWideTile,
                                        dv_sums);
      Operands::template multiply<true>(scratch.transposed[1], scratch.right[1], depth, kWideTile,
                                        dk_sums);
    }
  Operands::leave();
  float* const factor = scratch.vectors[0];
  for (int64_t i = 0; i < kWideTile; ++i) factor[i] = 1;
  store_transposed<Operands>(dv_sums, factor, tile(task.dv, task.tile));
  for (int64_t i = 0; i < kWideTile; ++i) factor[i] = task.scale;
  store_transposed<Operands>(dk_sums, factor, tile(task.dk, task.tile));
}

template <class Operands>
constexpr AttentionKernels attention_kernels() {
  return {.scratch_bytes = Scratch<Operands>::bytes,
          .forward = forward<Operands>,
          .backward_queries = backward_queries<Operands>,
          .backward_keys = backward_keys<Operands>};
}

/// c[rows, kWideTile] = a b, or += a b, in `units` of 32 bits along the depth: a [rows, units], b
/// [units, kWideTile]. `dot` adds the product of two units to a sum. Rows are a multiple of 4.
template <bool kAdds, class Dot>
void multiply_broadcast(const void* a_units, const void* b_units, int64_t rows, int64_t units,
                        float* c, const Dot& dot) {
  const auto* a = static_cast<const float*>(a_units);
  const auto* b = static_cast<const float*>(b_units);
  for (int64_t row = 0; row < rows; row += 4, a += 4 * units, c += 4 * kWideTile) {
    __m512 sums[4][kGroups];
    for (int64_t i = 0; i < 4; ++i)
      for (int64_t j = 0; j < kGroups; ++j)
        sums[i][j] = kAdds ? _mm512_loadu_ps(c + i * kWideTile + j * kLanes) : _mm512_setzero_ps();
    for (int64_t p = 0; p < units; ++p) {
      __m512 right[kGroups];
      for (int64_t j = 0; j < kGroups; ++j)
        right[j] = _mm512_loadu_ps(b + p * kWideTile + j * kLanes);
#pragma GCC unroll 4
      for (int64_t i = 0; i < 4; ++i) {
        const __m512 left = _mm512_set1_ps(a[i * units + p]);
#pragma GCC unroll 4
        for (int64_t j = 0; j < kGroups; ++j) sums[i][j] = dot(sums[i][j], left, right[j]);
      }
    }
    for (int64_t i = 0; i < 4; ++i)
      for (int64_t j = 0; j < kGroups; ++j)
        _mm512_storeu_ps(c + i * kWideTile + j * kLanes, sums[i][j]);
  }
}

}  // namespace
}  // namespace swallow::cpu
