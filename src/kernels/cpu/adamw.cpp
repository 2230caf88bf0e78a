#include "kernels/adamw.h"

#include <cmath>

#include "kernels/cpu/parallel.h"

namespace swallow::cpu {

namespace {

template <class T>
void update(const Stream& stream, const AdamW& op) {
  using A = Accumulate<T>;
  const auto* grad = op.grad.as<A>();
  auto* master = op.master.as<A>();
  auto* exp_avg = op.exp_avg.as<A>();
  auto* exp_avg_sq = op.exp_avg_sq.as<A>();
  auto* param = op.param.as<T>();
  const AdamWFactors<A> f(op);
  parallel_blocks(stream, op.param.numel(), kElementwiseBlock, [=](int64_t begin, int64_t end) {
#ifndef __clang__  // five arrays, disjoint or the same: more pairs than GCC tests at run time
#pragma GCC ivdep
#endif
    for (int64_t i = begin; i < end; ++i) {
      const A g = grad[i] * f.grad_scale;
      const A m = std::fma(f.beta1, exp_avg[i], f.one_minus_beta1 * g);
      const A v = std::fma(f.beta2, exp_avg_sq[i], f.one_minus_beta2 * (g * g));
      const A step = m * f.correction1 / (std::sqrt(v * f.correction2) + f.eps);
      const A w = std::fma(-f.lr, std::fma(f.weight_decay, master[i], step), master[i]);
      exp_avg[i] = m;
      exp_avg_sq[i] = v;
      master[i] = w;
      param[i] = convert<T>(w);
    }
  });
}

}  // namespace

void run(Stream& stream, const AdamW& op) {
  visit_dtype(op.param.dtype, [&]<class T>(std::type_identity<T>) { update<T>(stream, op); });
}

}  // namespace swallow::cpu
