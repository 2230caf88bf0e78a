#include "kernels/reduce.h"

#include <algorithm>

#include "base/math.h"
#include "kernels/cpu/parallel.h"

namespace swallow::cpu {

namespace {

/// In element order, whatever lies around the block.
template <class T>
double block_sum(const T* x, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double value = static_cast<double>(x[i]);
    sum += value * value;
  }
  return sum;
}

/// Threads keep limbs of their own, which are added as integers: no order shows.
template <class T>
void sum_squares(const Stream& stream, const SumSquares& op) {
  const auto* x = op.x.as<T>();
  auto* sum = op.sum.as<int64_t>();
  const int64_t count = op.x.numel();
  const int64_t blocks = ceil_div(count, kReduceBlock);
  [[maybe_unused]] const int threads =
      static_cast<int>(std::min<int64_t>(stream.num_threads(), blocks));
  int64_t limbs[ExactSum::kLimbs] = {};
#ifdef _OPENMP
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1) \
    reduction(+ : limbs[ : ExactSum::kLimbs])
#endif
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t begin = block * kReduceBlock;
    ExactSum::add(limbs, block_sum(x + begin, std::min(kReduceBlock, count - begin)));
  }
  for (int i = 0; i < ExactSum::kLimbs; ++i) sum[i] += limbs[i];
}

}  // namespace

void run(Stream& stream, const SumSquares& op) {
  if (op.x.dtype == DType::f64)
    sum_squares<double>(stream, op);
  else
    sum_squares<float>(stream, op);
}

}  // namespace swallow::cpu
