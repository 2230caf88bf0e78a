#include "kernels/swiglu.h"

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_exp.h"

namespace swallow::cpu {

namespace {

/// Without overflow in exp: below -88 it stays at 6e-39. NaN stays NaN.
template <class A>
A sigmoid(A x) {
  return A{1} / (A{1} + vector_exp(x < A{-88} ? A{88} : -x));
}

template <class T>
void forward(const Stream& stream, const SwigluForward& op) {
  using A = Accumulate<T>;
  const auto* gate_up = op.gate_up.as<T>();
  auto* y = op.y.as<T>();
  const int64_t width = op.y.size(1);
  parallel_for(stream, op.y.size(0), [=](int64_t row) {
    const T* gate = gate_up + row * 2 * width;
    const T* up = gate + width;
    for (int64_t j = 0; j < width; ++j) {
      const A g = convert<A>(gate[j]);
      y[row * width + j] = convert<T>(g * sigmoid(g) * convert<A>(up[j]));
    }
  });
}

/// silu'(g) = sigmoid(g) (1 + g (1 - sigmoid(g))). Each element is read before it is written, since
/// the output may be the input's memory.
template <class T>
void backward(const Stream& stream, const SwigluBackward& op) {
  using A = Accumulate<T>;
  const auto* gate_up = op.gate_up.as<T>();
  const auto* dy = op.dy.as<T>();
  auto* dgate_up = op.dgate_up.as<T>();
  const int64_t width = op.dy.size(1);
  parallel_for(stream, op.dy.size(0), [=](int64_t row) {
    const T* gate = gate_up + row * 2 * width;
    T* dgate = dgate_up + row * 2 * width;
    for (int64_t j = 0; j < width; ++j) {
      const A g = convert<A>(gate[j]);
      const A up = convert<A>(gate[width + j]);
      const A d = convert<A>(dy[row * width + j]);
      const A s = sigmoid(g);
      dgate[j] = convert<T>(d * up * s * (A{1} + g * (A{1} - s)));
      dgate[width + j] = convert<T>(d * g * s);
    }
  });
}

}  // namespace

void run(Stream& stream, const SwigluForward& op) {
  visit_dtype(op.y.dtype, [&]<class T>(std::type_identity<T>) { forward<T>(stream, op); });
}

void run(Stream& stream, const SwigluBackward& op) {
  visit_dtype(op.dy.dtype, [&]<class T>(std::type_identity<T>) { backward<T>(stream, op); });
}

}  // namespace swallow::cpu
