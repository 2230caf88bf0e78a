#include "kernels/reduce.h"

#include <algorithm>
#include <type_traits>

#include "kernels/cpu/block_sums.h"
#include "kernels/cpu/cpu_features.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/prefetch.h"

namespace swallow::cpu {

namespace {

/// The sums of `kBlocks` neighbouring blocks of `count` elements, each in element order. Several at
/// once hide the latency of the additions, which wait for each other within a block.
template <int kBlocks, class T>
void add_blocks(const T* x, int64_t count, int64_t* limbs) {
  double sums[kBlocks] = {};
  for (int64_t i = 0; i < count; ++i)
    for (int block = 0; block < kBlocks; ++block) {
      const double value = static_cast<double>(x[block * kReduceBlock + i]);
      sums[block] += value * value;
    }
  for (const double sum : sums) ExactSum::add(limbs, sum);
}

/// kBlocksAtOnce neighbouring blocks; the same bits at every level.
template <class T>
void add_group([[maybe_unused]] CpuLevel level, const T* x, int64_t* limbs) {
  constexpr int64_t kElements = kBlocksAtOnce * kReduceBlock;
  prefetch_after(x, kElements);
#if defined(__x86_64__)
  static_assert(kBlockElements == kReduceBlock);
  if constexpr (std::is_same_v<T, float>)
    if (level >= CpuLevel::avx512) {
      double sums[kBlocksAtOnce];
      avx512_block_sums(x, sums);
      for (const double sum : sums) ExactSum::add(limbs, sum);
      return;
    }
#endif
  constexpr int kSideBySide = 8;
  for (int block = 0; block < kBlocksAtOnce; block += kSideBySide)
    add_blocks<kSideBySide>(x + block * kReduceBlock, kReduceBlock, limbs);
}

/// Threads keep limbs of their own, which are added as integers: no order shows.
template <class T>
void sum_squares(Stream& stream, const SumSquares& op) {
  const auto* x = op.x.as<T>();
  auto* sum = op.sum.as<int64_t>();
  const int64_t count = op.x.numel();
  constexpr int64_t kGroupSize = kBlocksAtOnce * kReduceBlock;
  const CpuLevel level = cpu_level(stream);
  const int64_t groups = count / kGroupSize;
  [[maybe_unused]] const int threads =
      static_cast<int>(std::clamp<int64_t>(groups, 1, stream.num_threads()));
  int64_t limbs[ExactSum::kLimbs] = {};
#ifdef _OPENMP
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1) \
    reduction(+ : limbs[ : ExactSum::kLimbs])
#endif
  for (int64_t group = 0; group < groups; ++group) add_group(level, x + group * kGroupSize, limbs);
  for (int64_t begin = groups * kGroupSize; begin < count; begin += kReduceBlock)
    add_blocks<1>(x + begin, std::min(kReduceBlock, count - begin), limbs);
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
