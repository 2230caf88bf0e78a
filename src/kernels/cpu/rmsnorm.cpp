#include "kernels/rmsnorm.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/prefetch.h"
#include "kernels/cpu/row_choice.h"

namespace swallow::cpu {

namespace {

template <class T>
void forward(Stream& stream, const RmsNormForward& op) {
  using A = Accumulate<T>;
  const auto* x = op.x.as<T>();
  const auto* delta = op.delta ? op.delta.as<T>() : nullptr;
  auto* residual = op.residual ? op.residual.as<T>() : nullptr;
  const auto* weight = op.weight.as<T>();
  auto* y = op.y.as<T>();
  auto* rstd = op.rstd.as<A>();
  const int64_t hidden = op.x.size(1);
  const A eps = static_cast<A>(op.eps);
  parallel_for(stream, op.x.size(0), [=, &rows = rows_for<T>(stream)](int64_t i) {
    const T* row = x + i * hidden;
    prefetch_after(row, hidden);
    if (delta != nullptr) {
      prefetch_after(delta + i * hidden, hidden);
      rows.add(hidden, row, delta + i * hidden, residual + i * hidden);
      row = residual + i * hidden;  // the rounded sum is what backward and recompute will see
    }
    const A squares = rows.sum_of_squares(hidden, row);
    rstd[i] = A{1} / std::sqrt(squares / static_cast<A>(hidden) + eps);
    rows.scale_norm(hidden, row, weight, rstd[i], y + i * hidden);
  });
}

template <class T>
void recompute(Stream& stream, const RmsNormRecompute& op) {
  const auto* x = op.x.as<T>();
  const auto* weight = op.weight.as<T>();
  const auto* rstd = op.rstd.as<Accumulate<T>>();
  auto* y = op.y.as<T>();
  const int64_t hidden = op.x.size(1);
  parallel_for(stream, op.x.size(0), [=, &rows = rows_for<T>(stream)](int64_t i) {
    rows.scale_norm(hidden, x + i * hidden, weight, rstd[i], y + i * hidden);
  });
}

/// dweight[j] += sum over rows of dy x rstd. Threads share the columns; rows are added in order.
template <class T>
void backward_weight(Stream& stream, const RmsNormBackward& op) {
  using A = Accumulate<T>;
  const auto* dy = op.dy.as<T>();
  const auto* x = op.x.as<T>();
  const auto* rstd = op.rstd.as<A>();
  auto* dweight = op.dweight.as<A>();
  const int64_t rows = op.x.size(0);
  const int64_t hidden = op.x.size(1);
  constexpr int64_t kRowsAhead = 8;
  parallel_blocks(stream, hidden, kColumnBlock,
                  [=, add = rows_for<T>(stream).add_norm_weight](int64_t begin, int64_t end) {
                    std::array<A, kColumnBlock> sums{};
                    for (int64_t i = 0; i < rows; ++i) {
                      const int64_t at = i * hidden + begin;
                      prefetch(dy + at + kRowsAhead * hidden, end - begin);
                      prefetch(x + at + kRowsAhead * hidden, end - begin);
                      add(end - begin, dy + at, x + at, rstd[i], sums.data());
                    }
                    for (int64_t j = begin; j < end; ++j)
                      dweight[j] += sums[static_cast<size_t>(j - begin)];
                  });
}

/// With g = dy weight and n = x rstd: dx += rstd (g - n mean(g n)).
template <class T>
void backward_input(Stream& stream, const RmsNormBackward& op) {
  const auto* dy = op.dy.as<T>();
  const auto* x = op.x.as<T>();
  const auto* weight = op.weight.as<T>();
  const auto* rstd = op.rstd.as<Accumulate<T>>();
  auto* dx = op.dx.as<T>();
  const int64_t hidden = op.x.size(1);
  parallel_for(stream, op.x.size(0), [=, &rows = rows_for<T>(stream)](int64_t i) {
    for (const T* row : {dy, x, static_cast<const T*>(dx)})
      prefetch_after(row + i * hidden, hidden);
    rows.norm_backward(hidden, dy + i * hidden, x + i * hidden, weight, rstd[i], dx + i * hidden);
  });
}

}  // namespace

void run(Stream& stream, const RmsNormForward& op) {
  visit_dtype(op.x.dtype, [&]<class T>(std::type_identity<T>) { forward<T>(stream, op); });
}

void run(Stream& stream, const RmsNormRecompute& op) {
  visit_dtype(op.x.dtype, [&]<class T>(std::type_identity<T>) { recompute<T>(stream, op); });
}

void run(Stream& stream, const RmsNormBackward& op) {
  visit_dtype(op.x.dtype, [&]<class T>(std::type_identity<T>) {
    backward_weight<T>(stream, op);
    backward_input<T>(stream, op);
  });
}

}  // namespace swallow::cpu
