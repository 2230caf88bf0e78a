// Reductions along a row. A plain loop must add in element order and cannot use vector registers;
// these keep interleaved partial results, so the order depends on the length alone.
#pragma once

#include <cstdint>
#include <limits>

namespace swallow::cpu {

inline constexpr int64_t kRowLanes = 32;  // of two-byte elements a whole register of AVX-512

/// Combines term(0) .. term(n - 1), starting each lane at `identity`.
template <int64_t kLanes = kRowLanes, class A, class Term, class Combine>
A lane_reduce(int64_t n, A identity, const Term& term, const Combine& combine) {
  A lanes[kLanes];
  for (A& lane : lanes) lane = identity;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
#ifdef _OPENMP
#pragma omp simd  // of two-byte elements GCC makes scalars otherwise
#endif
    for (int64_t lane = 0; lane < kLanes; ++lane)
      lanes[lane] = combine(lanes[lane], term(i + lane));
  for (int64_t lane = 0; i + lane < n; ++lane) lanes[lane] = combine(lanes[lane], term(i + lane));
  for (int64_t width = kLanes / 2; width > 0; width /= 2)
    for (int64_t lane = 0; lane < width; ++lane)
      lanes[lane] = combine(lanes[lane], lanes[lane + width]);
  return lanes[0];
}

template <class A, class Term>
A lane_sum(int64_t n, const Term& term) {
  return lane_reduce(n, A{0}, term, [](A a, A b) { return a + b; });
}

/// Minus infinity when n is 0. A NaN is passed over.
template <class A, class Term>
A lane_max(int64_t n, const Term& term) {
  constexpr A least = -std::numeric_limits<A>::infinity();
  return lane_reduce(n, least, term, [](A a, A b) { return b > a ? b : a; });
}

}  // namespace swallow::cpu
