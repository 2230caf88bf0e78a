#include "comm/reduction.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace swallow {

namespace {

// Elements summed at a time: the accumulators stay in the first-level cache while the inputs
// stream past, and the inner loops run over elements, which the compiler vectorises.
constexpr int64_t kBlock = 1024;

template <class T>
struct Accumulator {
  using type = Accumulate<T>;
};
template <>
struct Accumulator<int64_t> {
  using type = int64_t;
};

template <class A>
A add(A a, A b) {
  if constexpr (std::is_same_v<A, int64_t>) {
    return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  } else {
    return a + b;
  }
}

template <class A>
A larger(A a, A b) {
  return (a > b || a != a) ? a : b;  // a NaN in `a` stays; one in `b` fails the comparison
}

template <class T, class Combine>
void reduce_blocks(T* output, std::span<const void* const> inputs, int64_t count, Combine combine) {
  using A = typename Accumulator<T>::type;
  std::array<A, kBlock> sums;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const auto n = static_cast<size_t>(std::min(kBlock, count - begin));
    const T* first = static_cast<const T*>(inputs[0]) + begin;
    for (size_t i = 0; i < n; ++i) sums[i] = convert<A>(first[i]);
    for (const void* const input : inputs.subspan(1)) {
      const T* next = static_cast<const T*>(input) + begin;
      for (size_t i = 0; i < n; ++i) sums[i] = combine(sums[i], convert<A>(next[i]));
    }
    for (size_t i = 0; i < n; ++i) output[begin + static_cast<int64_t>(i)] = convert<T>(sums[i]);
  }
}

template <class T>
void reduce_typed(ReduceOp op, void* output, std::span<const void* const> inputs, int64_t count) {
  using A = typename Accumulator<T>::type;
  auto* typed = static_cast<T*>(output);
  if (op == ReduceOp::sum)
    reduce_blocks<T>(typed, inputs, count, [](A a, A b) { return add(a, b); });
  else
    reduce_blocks<T>(typed, inputs, count, [](A a, A b) { return larger(a, b); });
}

}  // namespace

void reduce_in_order(DType dtype, ReduceOp op, void* output, std::span<const void* const> inputs,
                     int64_t count) {
  SWALLOW_CHECK(!inputs.empty(), "nothing to reduce");
  if (dtype == DType::i64) return reduce_typed<int64_t>(op, output, inputs, count);
  visit_dtype(dtype, [&](auto type) {
    reduce_typed<typename decltype(type)::type>(op, output, inputs, count);
  });
}

}  // namespace swallow
