// The inner loops of the row-wise ops, one row a call. They are compiled once for the whole
// binary's instruction set and once for AVX-512, from the one source rows.h: the same operations in
// the same order, so that bits do not depend on the level.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace swallow::cpu {

template <class T>
struct RowKernels {
  using A = Accumulate<T>;

  /// y = silu(gate) up, for [gate up] of `width` each.
  void (*swiglu)(int64_t width, const T* gate_up, T* y);
  /// Its gradients; dgate_up may be gate_up's memory.
  void (*swiglu_backward)(int64_t width, const T* gate_up, const T* dy, T* dgate_up);

  /// sum = x + delta
  void (*add)(int64_t count, const T* x, const T* delta, T* sum);
  A (*sum_of_squares)(int64_t count, const T* x);
  /// y = x rstd weight, where x rstd is rounded to T.
  void (*scale_norm)(int64_t count, const T* x, const T* weight, A rstd, T* y);
  /// dx += rstd (dy weight - n mean(dy weight n)) with n = x rstd.
  void (*norm_backward)(int64_t count, const T* dy, const T* x, const T* weight, A rstd, T* dx);
  /// sums[j] += dy[j] (x rstd rounded to T)
  void (*add_norm_weight)(int64_t count, const T* dy, const T* x, A rstd, A* sums);

  /// Minus infinity for none; a NaN is passed over.
  A (*maximum)(int64_t count, const T* x);
  /// Sum of exp(x - maximum).
  A (*sum_of_exp)(int64_t count, const T* x, A maximum);
  /// x = exp(x - maximum) factor scale, rounded after each product.
  void (*scaled_softmax)(int64_t count, A maximum, A factor, A scale, T* x);

  /// Turns the pairs (head[i], head[i + half]) by angles given by cosine and sine; `sign` -1 back.
  void (*turn)(int64_t half, const float* cosine, const float* sine, A sign, T* head);
};

extern const RowKernels<float> kPlainF32Rows;
extern const RowKernels<bfloat16> kPlainBf16Rows;
extern const RowKernels<double> kPlainF64Rows;
#if defined(__x86_64__)
extern const RowKernels<float> kAvx512F32Rows;
extern const RowKernels<bfloat16> kAvx512Bf16Rows;
#endif

}  // namespace swallow::cpu
