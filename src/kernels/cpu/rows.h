// The source of row_kernels.h's loops, for two files that are compiled differently. Internal to
// each.
#pragma once

#include <cstdint>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/vector_exp.h"

namespace swallow::cpu {
namespace {

template <class T>
struct Rows {
  using A = Accumulate<T>;

  /// Without overflow in exp: below -88 it stays at 6e-39. NaN stays NaN.
  [[gnu::always_inline]] static A sigmoid(A x) {
    return A{1} / (A{1} + vector_exp(x < A{-88} ? A{88} : -x));
  }

  static void swiglu(int64_t width, const T* gate_up, T* y) {
    const T* const up = gate_up + width;
    for (int64_t j = 0; j < width; ++j) {
      const A g = convert<A>(gate_up[j]);
      y[j] = convert<T>(g * sigmoid(g) * convert<A>(up[j]));
    }
  }

  /// silu'(g) = sigmoid(g) (1 + g (1 - sigmoid(g))). Each element is read before it is written.
  static void swiglu_backward(int64_t width, const T* gate_up, const T* dy, T* dgate_up) {
    for (int64_t j = 0; j < width; ++j) {
      const A g = convert<A>(gate_up[j]);
      const A up = convert<A>(gate_up[width + j]);
      const A d = convert<A>(dy[j]);
      const A s = sigmoid(g);
      dgate_up[j] = convert<T>(d * up * s * (A{1} + g * (A{1} - s)));
      dgate_up[width + j] = convert<T>(d * g * s);
    }
  }

  static void add(int64_t count, const T* x, const T* delta, T* sum) {
    for (int64_t j = 0; j < count; ++j)
      sum[j] = convert<T>(convert<A>(x[j]) + convert<A>(delta[j]));
  }

  static A sum_of_squares(int64_t count, const T* x) {
    return lane_sum<A>(count, [=](int64_t j) {
      const A value = convert<A>(x[j]);
      return value * value;
    });
  }

  /// x * rstd as the forward pass rounded it.
  [[gnu::always_inline]] static A normalised(T x, A rstd) {
    return convert<A>(convert<T>(convert<A>(x) * rstd));
  }

  static void scale_norm(int64_t count, const T* x, const T* weight, A rstd, T* y) {
    for (int64_t j = 0; j < count; ++j)
      y[j] = convert<T>(normalised(x[j], rstd) * convert<A>(weight[j]));
  }

  static void norm_backward(int64_t count, const T* dy, const T* x, const T* weight, A rstd,
                            T* dx) {
    const A dot = lane_sum<A>(count, [=](int64_t j) {
      return convert<A>(dy[j]) * convert<A>(weight[j]) * (convert<A>(x[j]) * rstd);
    });
    const A mean = dot / static_cast<A>(count);
    for (int64_t j = 0; j < count; ++j) {
      const A g = convert<A>(dy[j]) * convert<A>(weight[j]);
      const A n = convert<A>(x[j]) * rstd;
      dx[j] = convert<T>(convert<A>(dx[j]) + rstd * (g - n * mean));
    }
  }

  static void add_norm_weight(int64_t count, const T* dy, const T* x, A rstd, A* sums) {
    for (int64_t j = 0; j < count; ++j) sums[j] += convert<A>(dy[j]) * normalised(x[j], rstd);
  }

  static A maximum(int64_t count, const T* x) {
    return lane_max<A>(count, [=](int64_t j) { return convert<A>(x[j]); });
  }

  static A sum_of_exp(int64_t count, const T* x, A maximum) {
    return lane_sum<A>(count, [=](int64_t j) { return vector_exp(convert<A>(x[j]) - maximum); });
  }

  static void scaled_softmax(int64_t count, A maximum, A factor, A scale, T* x) {
    for (int64_t j = 0; j < count; ++j) {
      const A probability = vector_exp(convert<A>(x[j]) - maximum) * factor;
      x[j] = convert<T>(probability * scale);
    }
  }

  static void turn(int64_t half, const float* cosine, const float* sine, A sign, T* head) {
    for (int64_t i = 0; i < half; ++i) {
      const A c = static_cast<A>(cosine[i]);
      const A s = static_cast<A>(sine[i]) * sign;
      const A u = convert<A>(head[i]);
      const A w = convert<A>(head[i + half]);
      head[i] = convert<T>(u * c - w * s);
      head[i + half] = convert<T>(w * c + u * s);
    }
  }
};

template <class T>
constexpr RowKernels<T> row_kernels() {
  using R = Rows<T>;
  return {R::swiglu,        R::swiglu_backward, R::add,     R::sum_of_squares, R::scale_norm,
          R::norm_backward, R::add_norm_weight, R::maximum, R::sum_of_exp,     R::scaled_softmax,
          R::turn};
}

}  // namespace
}  // namespace swallow::cpu
