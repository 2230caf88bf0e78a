#include "kernels/elementwise.h"

#include "kernels/cpu/parallel.h"

namespace swallow::cpu {

namespace {

template <class T>
void add(const Stream& stream, const Add& op) {
  using A = Accumulate<T>;
  const auto* a = op.a.as<T>();
  const auto* b = op.b.as<T>();
  auto* y = op.y.as<T>();
  parallel_blocks(stream, op.y.numel(), kElementwiseBlock, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = convert<T>(convert<A>(a[i]) + convert<A>(b[i]));
  });
}

template <class From, class To>
void cast(const Stream& stream, const Cast& op) {
  const auto* x = op.x.as<From>();
  auto* y = op.y.as<To>();
  parallel_blocks(stream, op.y.numel(), kElementwiseBlock, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = convert<To>(x[i]);
  });
}

}  // namespace

void run(Stream& stream, const Add& op) {
  visit_dtype(op.y.dtype, [&]<class T>(std::type_identity<T>) { add<T>(stream, op); });
}

void run(Stream& stream, const Cast& op) {
  visit_dtype(op.x.dtype, [&]<class From>(std::type_identity<From>) {
    visit_dtype(op.y.dtype, [&]<class To>(std::type_identity<To>) { cast<From, To>(stream, op); });
  });
}

}  // namespace swallow::cpu
