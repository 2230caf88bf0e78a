#include "kernels/rope.h"

#include "kernels/cpu/parallel.h"

namespace swallow::cpu {

namespace {

/// Turns one head of `half` pairs by the angles whose cosines and sines are given; `sign` -1 turns
/// back.
template <class T>
void turn(int64_t half, const float* cosine, const float* sine, Accumulate<T> sign, T* head) {
  using A = Accumulate<T>;
  for (int64_t i = 0; i < half; ++i) {
    const A c = static_cast<A>(cosine[i]);
    const A s = static_cast<A>(sine[i]) * sign;
    const A u = convert<A>(head[i]);
    const A w = convert<A>(head[i + half]);
    head[i] = convert<T>(u * c - w * s);
    head[i + half] = convert<T>(w * c + u * s);
  }
}

template <class T>
void rotate(const Stream& stream, const Rope& op) {
  using A = Accumulate<T>;
  auto* qkv = op.qkv.as<T>();
  const auto* table = op.table.as<float>();
  const int64_t batch = op.qkv.size(1);
  const int64_t width = op.qkv.size(2);
  const int64_t head_dim = op.table.size(1);
  const A sign = op.direction == RopeDirection::forward ? A{1} : A{-1};
  parallel_for(stream, op.qkv.size(0) * batch, [=, heads = op.heads](int64_t row) {
    const float* cosine = table + row / batch * head_dim;
    const float* sine = cosine + head_dim / 2;
    for (int64_t head = 0; head < heads; ++head)
      turn(head_dim / 2, cosine, sine, sign, qkv + row * width + head * head_dim);
  });
}

}  // namespace

void run(Stream& stream, const Rope& op) {
  visit_dtype(op.qkv.dtype, [&]<class T>(std::type_identity<T>) { rotate<T>(stream, op); });
}

}  // namespace swallow::cpu
