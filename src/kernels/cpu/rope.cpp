#include "kernels/rope.h"

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/row_choice.h"

namespace swallow::cpu {

namespace {

template <class T>
void rotate(Stream& stream, const Rope& op) {
  using A = Accumulate<T>;
  auto* qkv = op.qkv.as<T>();
  const auto* table = op.table.as<float>();
  const int64_t batch = op.qkv.size(1);
  const int64_t width = op.qkv.size(2);
  const int64_t head_dim = op.table.size(1);
  const A sign = op.direction == RopeDirection::forward ? A{1} : A{-1};
  parallel_for(stream, op.qkv.size(0) * batch,
               [=, heads = op.heads, turn = rows_for<T>(stream).turn](int64_t row) {
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
