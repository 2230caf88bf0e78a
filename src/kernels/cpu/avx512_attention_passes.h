// Attention's tasks, see avx512_attention.h. Internal to each file that includes it.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/cpu/attention_kernels.h"
#include "kernels/cpu/avx512_attention.h"

namespace swallow::cpu {
namespace {

constexpr int64_t kTileStrips = kWideTile / kStrip;

/// A running softmax moves its reference to a new maximum only when powers would exceed 2^8: what
/// has been summed need then hardly ever be multiplied again.
constexpr float kReferenceLag = 8;

/// The tokens of a strip of the task's, at most kStrip of them and perhaps none.
template <class Operands, class Task>
TokenTile<typename Operands::Element> strip_of(const Task& task, const TokenRows& rows,
                                               int64_t strip) {
  return tile_of<Operands>(task, rows, task.first + strip / kTileStrips)
      .from(strip * kStrip % kWideTile);
}

/// Packs the task's own tokens of `rows` as columns(index).
template <class Operands, class Task>
void pack_own(const Task& task, const Scratch<Operands>& scratch, int index,
              const TokenRows& rows) {
  for (int64_t t = 0; t < task.tiles; ++t)
    Operands::pack_columns(tile_of<Operands>(task, rows, task.first + t), scratch.depth,
                           scratch.columns(index, t * kTileStrips), 2 * kStrip * scratch.depth);
}

template <class Operands, class Task>
void clear_sums(const Task& task, const Scratch<Operands>& scratch, int index) {
  for (int64_t strip = 0; strip < task.tiles * kTileStrips; ++strip)
    fill(scratch.sums(index, strip), scratch.depth * kStrip, 0);
}

/// Goes through the units of keys along the rows and the task's queries as columns: `pack` packs a
/// tile of keys, and `ask` asks for some rows of the next one.
template <class Task, class Pack, class Ask, class Compute>
void for_units_of_queries(const Task& task, const Pack& pack, const Ask& ask,
                          const Compute& compute) {
  const int64_t tiles = task.first + task.tiles;
  const int64_t strips = task.tiles * kTileStrips;
  for (int64_t keys = 0; keys < tiles; ++keys) {
    pack(keys);
    const int64_t first = keys < task.first ? 0 : (keys - task.first) * kTileStrips;
    for (int64_t strip = first; strip < strips; ++strip) {
      if (keys + 1 < tiles)
        ask(keys + 1, (strip - first) * kWideTile / (strips - first),
            (strip + 1 - first) * kWideTile / (strips - first));
      Unit unit{.strip = strip, .begin = 0, .end = kWideTile, .diagonal = false};
      unit.diagonal = keys == task.first + strip / kTileStrips;
      if (unit.diagonal) unit.end = unit.column() + kStrip;
      compute(unit);
    }
  }
}

/// The greatest score of each query of a group.
template <Causal causal>
__m512 maximum_of(const float* scores, const Unit& unit, int64_t group) {
  __m512 maxima[4];
  for (__m512& each : maxima) each = _mm512_set1_ps(-__builtin_inff());
  for (int64_t key = 0; key < unit.end; key += 4)
    for (int64_t i = 0; i < 4; ++i)
      maxima[i] = _mm512_mask_max_ps(
          maxima[i], visible<causal>(key + i, unit.column() + group * kLanes), maxima[i],
          _mm512_loadu_ps(scores + (key + i) * kStrip + group * kLanes));
  return _mm512_max_ps(_mm512_max_ps(maxima[0], maxima[1]), _mm512_max_ps(maxima[2], maxima[3]));
}

/// The running softmax (see attention_forward.cpp): leaves 2^(factor score - reference), where a
/// query's reference is its running maximum or a little below it, as a right operand, adds it to
/// the sums of powers, and multiplies all sums by what new references ask for.
template <class Operands, Causal causal>
void softmax_step(const Scratch<Operands>& scratch, const Unit& unit, __m512 factor) {
  float* const scores = scratch.scores[0];
  for (int64_t group = 0; group < kGroups; ++group) {
    const int64_t column = group * kLanes;
    float* const reference_of = scratch.vector(0, unit.strip) + column;
    float* const sum_of = scratch.vector(1, unit.strip) + column;
    const __m512 before = _mm512_loadu_ps(reference_of);
    const __m512 maximum = _mm512_mul_ps(factor, maximum_of<causal>(scores, unit, group));
    const __mmask16 grew = _mm512_cmp_ps_mask(
        maximum, _mm512_add_ps(before, _mm512_set1_ps(kReferenceLag)), _CMP_NLE_UQ);
    const __m512 reference = _mm512_mask_mov_ps(before, grew, maximum);
    __m512 sums[2] = {_mm512_loadu_ps(sum_of), _mm512_setzero_ps()};
    if (grew != 0) {
      const __m512 correction = exp2_of(_mm512_sub_ps(before, reference));
      _mm512_storeu_ps(reference_of, reference);
      sums[0] = _mm512_mul_ps(sums[0], correction);
      float* const results = scratch.sums(0, unit.strip) + column;
      for (int64_t d = 0; d < scratch.depth; ++d)
        _mm512_storeu_ps(results + d * kStrip,
                         _mm512_mul_ps(_mm512_loadu_ps(results + d * kStrip), correction));
    }
    const auto power = [&](int64_t key) {
      const __m512 score = _mm512_loadu_ps(scores + key * kStrip + column);
      return _mm512_maskz_mov_ps(visible<causal>(key, unit.column() + column),
                                 exp2_of(_mm512_fmsub_ps(score, factor, reference)));
    };
    for (int64_t key = 0; key < unit.end; key += 2) {
      const __m512 even = power(key);
      const __m512 odd = power(key + 1);
      sums[0] = _mm512_add_ps(sums[0], even);
      sums[1] = _mm512_add_ps(sums[1], odd);
      Operands::store_right(scores, key, group, even, odd);
    }
    _mm512_storeu_ps(sum_of, _mm512_add_ps(sums[0], sums[1]));
  }
}

template <class Operands>
void forward(const WideForwardTask& task) {
  const Scratch<Operands> scratch(task.scratch, task.head_dim);
  const int64_t depth = scratch.depth;
  Operands::enter();
  pack_own(task, scratch, 0, task.q);
  clear_sums(task, scratch, 0);
  for (int64_t strip = 0; strip < task.tiles * kTileStrips; ++strip) {
    fill(scratch.vector(0, strip), kStrip, -__builtin_inff());
    fill(scratch.vector(1, strip), kStrip, 0);
  }
  const __m512 factor = _mm512_set1_ps(task.scale * kLog2E);
  const auto pack = [&](int64_t keys) {
    Operands::pack_rows(tile_of<Operands>(task, task.k, keys), depth, scratch.rows[0]);
    Operands::pack_transposed(tile_of<Operands>(task, task.v, keys), depth, scratch.transposed[0]);
  };
  const auto ask = [&](int64_t keys, int64_t begin, int64_t end) {
    prefetch_rows(tile_of<Operands>(task, task.k, keys), begin, end);
    prefetch_rows(tile_of<Operands>(task, task.v, keys), begin, end);
  };
  for_units_of_queries(task, pack, ask, [&](const Unit& unit) {
    if (unit.diagonal) prefetch_rows(strip_of<Operands>(task, task.out, unit.strip), 0, kStrip);
    Operands::template multiply<Product::scores>(scratch.rows[0], scratch.columns(0, unit.strip),
                                                 unit.rows(), depth, scratch.scores[0]);
    if (unit.diagonal)
      softmax_step<Operands, Causal::from>(scratch, unit, factor);
    else
      softmax_step<Operands, Causal::all>(scratch, unit, factor);
    Operands::template multiply<Product::results>(scratch.transposed[0], scratch.scores[0], depth,
                                                  unit.rows(), scratch.sums(0, unit.strip));
  });
  Operands::leave();
  for (int64_t strip = 0; strip < task.tiles * kTileStrips; ++strip) {
    const auto out = strip_of<Operands>(task, task.out, strip);
    float* const stats = task.stats + task.first * kWideTile + strip * kStrip;
    const float* const reference = scratch.vector(0, strip);
    float* const sum = scratch.vector(1, strip);
    for (int64_t i = 0; i < kStrip && i < out.count; ++i)
      stats[i] = (reference[i] + __builtin_log2f(sum[i])) * kLn2;
    for (int64_t i = 0; i < kStrip; ++i) sum[i] = 1 / sum[i];
    store_transposed<Operands>(scratch.sums(0, strip), sum, out);
  }
}

/// Scores and the products of which their gradients are made, for both backward passes.
template <class Operands>
void multiply_scores(const Scratch<Operands>& scratch, const Unit& unit) {
  for (int i = 0; i < 2; ++i)
    Operands::template multiply<Product::scores>(
        scratch.rows[i] + unit.begin * scratch.depth, scratch.columns(i, unit.strip), unit.rows(),
        scratch.depth, scratch.scores[i] + unit.begin * kStrip);
}

/// delta[token] = out . dout, and the tile's stats, in base 2, and delta padded with zeros; the
/// strips' vectors.
template <class Operands>
void compute_delta(const WideBackwardQueriesTask& task, const Scratch<Operands>& scratch,
                   int64_t t) {
  const auto out = tile_of<Operands>(task, task.out, task.first + t);
  const auto dout = tile_of<Operands>(task, task.dout, task.first + t);
  const int64_t begin = (task.first + t) * kWideTile;
  for (int64_t i = 0; i < kWideTile; ++i) {
    const int64_t strip = t * kTileStrips + i / kStrip;
    float& stats = scratch.vector(0, strip)[i % kStrip];
    float& delta = scratch.vector(1, strip)[i % kStrip];
    stats = delta = 0;
    if (i >= out.count) continue;
    __m512 sums = _mm512_setzero_ps();
    for (int64_t d = 0; d < out.head_dim; d += kLanes) {
      const int64_t room = out.head_dim - d;
      const __mmask16 lanes = first_lanes(room < kLanes ? room : kLanes);
      sums = _mm512_fmadd_ps(Operands::load(out.data + i * out.stride + d, lanes),
                             Operands::load(dout.data + i * dout.stride + d, lanes), sums);
    }
    stats = task.stats[begin + i] * kLog2E;
    delta = task.delta[begin + i] = _mm512_reduce_add_ps(sums);
  }
}

/// Leaves gradients of scores as a right operand.
template <class Operands, Causal causal>
void score_gradients(const Scratch<Operands>& scratch, const Unit& unit, __m512 factor) {
  for (int64_t group = 0; group < kGroups; ++group) {
    const __m512 stats = _mm512_loadu_ps(scratch.vector(0, unit.strip) + group * kLanes);
    const __m512 delta = _mm512_loadu_ps(scratch.vector(1, unit.strip) + group * kLanes);
    const auto ds = [&](int64_t key) {
      const int64_t at = key * kStrip + group * kLanes;
      const __m512 p =
          exp2_of(_mm512_fmsub_ps(_mm512_loadu_ps(scratch.scores[0] + at), factor, stats));
      return _mm512_maskz_mul_ps(visible<causal>(key, unit.column() + group * kLanes), p,
                                 _mm512_sub_ps(_mm512_loadu_ps(scratch.scores[1] + at), delta));
    };
    for (int64_t key = 0; key < unit.end; key += 2)
      Operands::store_right(scratch.scores[0], key, group, ds(key), ds(key + 1));
  }
}

template <class Operands>
void backward_queries(const WideBackwardQueriesTask& task) {
  const Scratch<Operands> scratch(task.scratch, task.head_dim);
  const int64_t depth = scratch.depth;
  const auto tile = [&](const TokenRows& rows, int64_t index) {
    return tile_of<Operands>(task, rows, index);
  };
  Operands::enter();
  for (int64_t t = 0; t < task.tiles; ++t) compute_delta(task, scratch, t);
  pack_own(task, scratch, 0, task.q);
  pack_own(task, scratch, 1, task.dout);
  clear_sums(task, scratch, 0);
  const __m512 factor = _mm512_set1_ps(task.scale * kLog2E);
  const auto pack = [&](int64_t keys) {
    Operands::pack_rows(tile(task.k, keys), depth, scratch.rows[0]);
    Operands::pack_rows(tile(task.v, keys), depth, scratch.rows[1]);
    Operands::pack_transposed(tile(task.k, keys), depth, scratch.transposed[0]);
  };
  const auto ask = [&](int64_t keys, int64_t begin, int64_t end) {
    prefetch_rows(tile(task.k, keys), begin, end);
    prefetch_rows(tile(task.v, keys), begin, end);
  };
  for_units_of_queries(task, pack, ask, [&](const Unit& unit) {
    if (unit.diagonal) prefetch_rows(strip_of<Operands>(task, task.dq, unit.strip), 0, kStrip);
    multiply_scores(scratch, unit);
    if (unit.diagonal)
      score_gradients<Operands, Causal::from>(scratch, unit, factor);
    else
      score_gradients<Operands, Causal::all>(scratch, unit, factor);
    Operands::template multiply<Product::results>(scratch.transposed[0], scratch.scores[0], depth,
                                                  unit.rows(), scratch.sums(0, unit.strip));
  });
  Operands::leave();
  float* const factors = scratch.vector(0, 0);
  fill(factors, kStrip, task.scale);
  for (int64_t strip = 0; strip < task.tiles * kTileStrips; ++strip)
    store_transposed<Operands>(scratch.sums(0, strip), factors,
                               strip_of<Operands>(task, task.dq, strip));
}

/// Leaves probabilities and gradients of scores as right operands.
template <class Operands, Causal causal>
void probabilities(const Scratch<Operands>& scratch, const Unit& unit, __m512 factor) {
  const auto [stats, delta] = scratch.of_rows;
  for (int64_t query = unit.begin; query < unit.end; query += 2)
    for (int64_t group = 0; group < kGroups; ++group) {
      __m512 p[2];
      __m512 ds[2];
      for (int64_t i = 0; i < 2; ++i) {
        const int64_t row = query + i;
        const int64_t at = row * kStrip + group * kLanes;
        const __mmask16 lanes = visible<causal>(row, unit.column() + group * kLanes);
        p[i] = _mm512_maskz_mov_ps(
            lanes, exp2_of(_mm512_fmsub_ps(_mm512_loadu_ps(scratch.scores[0] + at), factor,
                                           _mm512_set1_ps(stats[row]))));
        ds[i] = _mm512_maskz_mul_ps(
            lanes, p[i],
            _mm512_sub_ps(_mm512_loadu_ps(scratch.scores[1] + at), _mm512_set1_ps(delta[row])));
      }
      Operands::store_right(scratch.scores[0], query, group, p[0], p[1]);
      Operands::store_right(scratch.scores[1], query, group, ds[0], ds[1]);
    }
}

/// Queries of one tile of a head, as operands and of_rows.
template <class Operands>
void pack_queries(const WideBackwardKeysTask& task, const Scratch<Operands>& scratch, int64_t head,
                  int64_t tile) {
  const int64_t depth = scratch.depth;
  auto q = tile_of<Operands>(task, task.q, tile);
  auto dout = tile_of<Operands>(task, task.dout, tile);
  q.data += head * task.head_dim;
  dout.data += head * task.head_dim;
  Operands::pack_rows(q, depth, scratch.rows[0]);
  Operands::pack_rows(dout, depth, scratch.rows[1]);
  Operands::pack_transposed(dout, depth, scratch.transposed[0]);
  Operands::pack_transposed(q, depth, scratch.transposed[1]);
  const int64_t first = head * task.sequence + tile * kWideTile;
  for (int64_t i = 0; i < kWideTile; ++i) {
    scratch.of_rows[0][i] = i < q.count ? task.stats[first + i] * kLog2E : 0;
    scratch.of_rows[1][i] = i < q.count ? task.delta[first + i] : 0;
  }
}

/// Asks for a strip's part of a tile of queries of a head, if there is such a head; else for where
/// the strip's results go.
template <class Operands>
void prefetch_queries(const WideBackwardKeysTask& task, int64_t head, int64_t tile, int64_t strip,
                      int64_t strips) {
  if (head == task.group) {
    prefetch_rows(strip_of<Operands>(task, task.dk, strip), 0, kStrip);
    prefetch_rows(strip_of<Operands>(task, task.dv, strip), 0, kStrip);
    return;
  }
  const TokenRows both[2] = {task.q, task.dout};
  for (const TokenRows& rows : both) {
    auto x = tile_of<Operands>(task, rows, tile);
    x.data += head * task.head_dim;
    prefetch_rows(x, strip * kWideTile / strips, (strip + 1) * kWideTile / strips);
  }
}

template <class Operands>
void backward_keys(const WideBackwardKeysTask& task) {
  const Scratch<Operands> scratch(task.scratch, task.head_dim);
  const int64_t depth = scratch.depth;
  Operands::enter();
  pack_own(task, scratch, 0, task.k);
  pack_own(task, scratch, 1, task.v);
  for (int i = 0; i < 2; ++i) clear_sums(task, scratch, i);
  const __m512 factor = _mm512_set1_ps(task.scale * kLog2E);
  const auto compute = [&](const Unit& unit) {
    multiply_scores(scratch, unit);
    if (unit.diagonal)
      probabilities<Operands, Causal::up_to>(scratch, unit, factor);
    else
      probabilities<Operands, Causal::all>(scratch, unit, factor);
    for (int i = 0; i < 2; ++i)
      Operands::template multiply<Product::results>(scratch.transposed[i] + unit.begin,
                                                    scratch.scores[i] + unit.begin * kStrip, depth,
                                                    unit.rows(), scratch.sums(i, unit.strip));
  };
  for (int64_t head = 0; head < task.group; ++head)
    for (int64_t queries = task.first; queries * kWideTile < task.sequence; ++queries) {
      pack_queries(task, scratch, head, queries);
      const int64_t seen = queries - task.first + 1;  // tiles of keys
      const int64_t strips = (seen < task.tiles ? seen : task.tiles) * kTileStrips;
      const bool ends = (queries + 1) * kWideTile >= task.sequence;
      for (int64_t strip = 0; strip < strips; ++strip) {
        prefetch_queries<Operands>(task, ends ? head + 1 : head, ends ? task.first : queries + 1,
                                   strip, strips);
        Unit unit{.strip = strip, .begin = 0, .end = kWideTile, .diagonal = false};
        unit.diagonal = queries == task.first + strip / kTileStrips;
        if (unit.diagonal) unit.begin = unit.column();
        compute(unit);
      }
    }
  Operands::leave();
  float* const factors = scratch.vector(0, 0);
  for (int64_t strip = 0; strip < task.tiles * kTileStrips; ++strip) {
    const auto store = [&](int i, const TokenRows& rows, float by) {
      fill(factors, kStrip, by);
      store_transposed<Operands>(scratch.sums(i, strip), factors,
                                 strip_of<Operands>(task, rows, strip));
    };
    store(0, task.dv, 1);
    store(1, task.dk, task.scale);
  }
}

template <class Operands>
constexpr AttentionKernels attention_kernels() {
  return {.scratch_bytes = Scratch<Operands>::bytes,
          .forward = forward<Operands>,
          .backward_queries = backward_queries<Operands>,
          .backward_keys = backward_keys<Operands>};
}

}  // namespace
}  // namespace swallow::cpu
