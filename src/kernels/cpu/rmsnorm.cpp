#include "kernels/rmsnorm.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/parallel.h"

namespace swallow::cpu {

namespace {

/// x * rstd as the forward pass rounded it.
template <class T>
Accumulate<T> normalised(T x, Accumulate<T> rstd) {
  using A = Accumulate<T>;
  return convert<A>(convert<T>(convert<A>(x) * rstd));
}

/// One row of y; forward and recompute share it, so their bits agree.
template <class T>
void scale_row(int64_t hidden, const T* x, const T* weight, Accumulate<T> rstd, T* y) {
  using A = Accumulate<T>;
  for (int64_t j = 0; j < hidden; ++j)
    y[j] = convert<T>(normalised(x[j], rstd) * convert<A>(weight[j]));
}

template <class T>
void forward(const Stream& stream, const RmsNormForward& op) {
  using A = Accumulate<T>;
  const auto* x = op.x.as<T>();
  const auto* delta = op.delta ? op.delta.as<T>() : nullptr;
  auto* residual = op.residual ? op.residual.as<T>() : nullptr;
  const auto* weight = op.weight.as<T>();
  auto* y = op.y.as<T>();
  auto* rstd = op.rstd.as<A>();
  const int64_t hidden = op.x.size(1);
  const A eps = static_cast<A>(op.eps);
  parallel_for(stream, op.x.size(0), [=](int64_t i) {
    const T* row = x + i * hidden;
    if (delta != nullptr) {
      const T* change = delta + i * hidden;
      T* sum = residual + i * hidden;
      for (int64_t j = 0; j < hidden; ++j)
        sum[j] = convert<T>(convert<A>(row[j]) + convert<A>(change[j]));
      row = sum;  // the rounded sum is what backward and recompute will see
    }
    const A squares = lane_sum<A>(hidden, [=](int64_t j) {
      const A value = convert<A>(row[j]);
      return value * value;
    });
    rstd[i] = A{1} / std::sqrt(squares / static_cast<A>(hidden) + eps);
    scale_row(hidden, row, weight, rstd[i], y + i * hidden);
  });
}

template <class T>
void recompute(const Stream& stream, const RmsNormRecompute& op) {
  const auto* x = op.x.as<T>();
  const auto* weight = op.weight.as<T>();
  const auto* rstd = op.rstd.as<Accumulate<T>>();
  auto* y = op.y.as<T>();
  const int64_t hidden = op.x.size(1);
  parallel_for(stream, op.x.size(0), [=](int64_t i) {
    scale_row(hidden, x + i * hidden, weight, rstd[i], y + i * hidden);
  });
}

/// dweight[j] += sum over rows of dy x rstd. Threads share the columns; rows are added in order.
template <class T>
void backward_weight(const Stream& stream, const RmsNormBackward& op) {
  using A = Accumulate<T>;
  const auto* dy = op.dy.as<T>();
  const auto* x = op.x.as<T>();
  const auto* rstd = op.rstd.as<A>();
  auto* dweight = op.dweight.as<A>();
  const int64_t rows = op.x.size(0);
  const int64_t hidden = op.x.size(1);
  parallel_blocks(stream, hidden, kColumnBlock, [=](int64_t begin, int64_t end) {
    std::array<A, kColumnBlock> sums{};
    for (int64_t i = 0; i < rows; ++i) {
      const T* dy_row = dy + i * hidden + begin;
      const T* x_row = x + i * hidden + begin;
      for (int64_t j = 0; j < end - begin; ++j)
        sums[static_cast<size_t>(j)] += convert<A>(dy_row[j]) * normalised(x_row[j], rstd[i]);
    }
    for (int64_t j = begin; j < end; ++j) dweight[j] += sums[static_cast<size_t>(j - begin)];
  });
}

/// With g = dy weight and n = x rstd: dx += rstd (g - n mean(g n)).
template <class T>
void backward_input(const Stream& stream, const RmsNormBackward& op) {
  using A = Accumulate<T>;
  const auto* dy = op.dy.as<T>();
  const auto* x = op.x.as<T>();
  const auto* weight = op.weight.as<T>();
  const auto* rstd = op.rstd.as<A>();
  auto* dx = op.dx.as<T>();
  const int64_t hidden = op.x.size(1);
  parallel_for(stream, op.x.size(0), [=](int64_t i) {
    const T* dy_row = dy + i * hidden;
    const T* x_row = x + i * hidden;
    T* dx_row = dx + i * hidden;
    const A scale = rstd[i];
    const A dot = lane_sum<A>(hidden, [=](int64_t j) {
      return convert<A>(dy_row[j]) * convert<A>(weight[j]) * (convert<A>(x_row[j]) * scale);
    });
    const A mean = dot / static_cast<A>(hidden);
    for (int64_t j = 0; j < hidden; ++j) {
      const A g = convert<A>(dy_row[j]) * convert<A>(weight[j]);
      const A n = convert<A>(x_row[j]) * scale;
      dx_row[j] = convert<T>(convert<A>(dx_row[j]) + scale * (g - n * mean));
    }
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
