#include "kernels/embedding.h"

#include <algorithm>

#include "kernels/cpu/parallel.h"

namespace swallow::cpu {

namespace {

/// Before any thread starts, since a thread of a parallel loop must not throw.
void require_ids(const Tensor& ids) {
  const auto* id = ids.as<int32_t>();
  const auto* end = id + ids.numel();
  const auto* bad = std::find_if(id, end, [](int32_t value) { return value < 0; });
  SWALLOW_CHECK(bad == end, "token id {} at position {} is negative", *bad, bad - id);
}

template <class T>
void forward(const Stream& stream, const EmbeddingForward& op) {
  const auto* ids = op.ids.as<int32_t>();
  const auto* table = op.table.as<T>();
  auto* y = op.y.as<T>();
  const int64_t vocab = op.table.size(0);
  const int64_t hidden = op.table.size(1);
  parallel_for(stream, op.ids.numel(), [=, start = op.vocab_start](int64_t i) {
    const int64_t row = ids[i] - start;
    if (row >= 0 && row < vocab)
      std::copy_n(table + row * hidden, hidden, y + i * hidden);
    else
      std::fill_n(y + i * hidden, hidden, T{});
  });
}

/// Threads share the columns, so that every element sums its rows in order.
template <class T>
void backward(const Stream& stream, const EmbeddingBackward& op) {
  using A = Accumulate<T>;
  const auto* ids = op.ids.as<int32_t>();
  const auto* dy = op.dy.as<T>();
  auto* dtable = op.dtable.as<A>();
  const int64_t rows = op.ids.numel();
  const int64_t vocab = op.dtable.size(0);
  const int64_t hidden = op.dtable.size(1);
  parallel_blocks(stream, hidden, kColumnBlock,
                  [=, start = op.vocab_start](int64_t begin, int64_t end) {
                    for (int64_t i = 0; i < rows; ++i) {
                      const int64_t row = ids[i] - start;
                      if (row < 0 || row >= vocab) continue;
                      const T* from = dy + i * hidden;
                      A* to = dtable + row * hidden;
                      for (int64_t j = begin; j < end; ++j) to[j] += convert<A>(from[j]);
                    }
                  });
}

}  // namespace

void run(Stream& stream, const EmbeddingForward& op) {
  require_ids(op.ids);
  visit_dtype(op.table.dtype, [&]<class T>(std::type_identity<T>) { forward<T>(stream, op); });
}

void run(Stream& stream, const EmbeddingBackward& op) {
  require_ids(op.ids);
  visit_dtype(op.dy.dtype, [&]<class T>(std::type_identity<T>) { backward<T>(stream, op); });
}

}  // namespace swallow::cpu
