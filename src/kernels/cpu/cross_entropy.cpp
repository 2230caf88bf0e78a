#include "kernels/cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/prefetch.h"
#include "kernels/cpu/row_choice.h"

namespace swallow::cpu {

namespace {

template <class T>
void local(Stream& stream, const CrossEntropyLocal& op) {
  using A = Accumulate<T>;
  const auto* logits = op.logits.as<T>();
  const auto* targets = op.targets.as<int32_t>();
  auto* maxima = op.maxima.as<A>();
  auto* sums = op.sums.as<A>();
  const int64_t rows = op.logits.size(0);
  const int64_t columns = op.logits.size(1);
  const RowKernels<T>& kernels = rows_for<T>(stream);
  parallel_for(stream, rows, [=, &kernels, start = op.vocab_start, valid = op.valid](int64_t i) {
    const T* row = logits + i * columns;
    prefetch_after(row, columns);
    maxima[i] = kernels.maximum(valid, row);
    sums[i] = kernels.sum_of_exp(valid, row, maxima[i]);
    const int64_t target = targets[i] - start;
    sums[rows + i] = target >= 0 && target < valid ? convert<A>(row[target]) : A{0};
  });
}

template <class A>
void rescale(const Stream& stream, const CrossEntropyRescale& op) {
  const auto* local_maxima = op.local_maxima.as<A>();
  const auto* global_maxima = op.global_maxima.as<A>();
  auto* sums = op.sums.as<A>();
  parallel_blocks(stream, op.sums.size(1), kElementwiseBlock, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) sums[i] *= std::exp(local_maxima[i] - global_maxima[i]);
  });
}

/// One thread: rows are few.
template <class A>
void add_losses(const CrossEntropyLoss& op) {
  const auto* maxima = op.global_maxima.as<A>();
  const auto* sums = op.sums.as<A>();
  const int64_t rows = op.sums.size(1);
  *op.loss.as<double>() += lane_reduce<kLossLanes>(
      rows, 0.0,
      [=](int64_t i) {
        return std::log(static_cast<double>(sums[i])) + static_cast<double>(maxima[i]) -
               static_cast<double>(sums[rows + i]);
      },
      [](double a, double b) { return a + b; });
}

template <class T>
void backward(Stream& stream, const CrossEntropyBackward& op) {
  using A = Accumulate<T>;
  auto* logits = op.logits.as<T>();
  const auto* targets = op.targets.as<int32_t>();
  const auto* maxima = op.global_maxima.as<A>();
  const auto* sums = op.sums.as<A>();
  const int64_t columns = op.logits.size(1);
  const A scale = static_cast<A>(op.scale);
  const RowKernels<T>& kernels = rows_for<T>(stream);
  parallel_for(
      stream, op.logits.size(0),
      [=, &kernels, start = op.vocab_start, valid = op.valid](int64_t i) {
        T* row = logits + i * columns;
        prefetch_after(row, columns);
        const A factor = A{1} / sums[i];
        const int64_t target = targets[i] - start;
        const bool mine = target >= 0 && target < valid;
        const T logit = mine ? row[target] : T{};
        kernels.scaled_softmax(valid, maxima[i], factor, scale, row);
        if (mine) {  // from the logit again: rounding softmax first would lose what is left of -1
          const A probability = kernels.sum_of_exp(1, &logit, maxima[i]) * factor;
          row[target] = convert<T>((probability - A{1}) * scale);
        }
        std::fill(row + valid, row + columns, T{});
      });
}

/// For the ops that see only accumulation types.
template <class Fn>
void visit_accumulate(DType dtype, const Fn& fn) {
  if (dtype == DType::f64)
    fn(std::type_identity<double>{});
  else
    fn(std::type_identity<float>{});
}

}  // namespace

void run(Stream& stream, const CrossEntropyLocal& op) {
  visit_dtype(op.logits.dtype, [&]<class T>(std::type_identity<T>) { local<T>(stream, op); });
}

void run(Stream& stream, const CrossEntropyRescale& op) {
  visit_accumulate(op.sums.dtype, [&]<class A>(std::type_identity<A>) { rescale<A>(stream, op); });
}

void run(Stream& /*stream*/, const CrossEntropyLoss& op) {
  visit_accumulate(op.sums.dtype, [&]<class A>(std::type_identity<A>) { add_losses<A>(op); });
}

void run(Stream& stream, const CrossEntropyBackward& op) {
  visit_dtype(op.logits.dtype, [&]<class T>(std::type_identity<T>) { backward<T>(stream, op); });
}

}  // namespace swallow::cpu
