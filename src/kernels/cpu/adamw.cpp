#include "kernels/adamw.h"

#include "base/split_float.h"
#include "kernels/cpu/parallel.h"

namespace swallow::cpu {

namespace {

template <class T>
struct WholeMaster {
  Accumulate<T>* master;
  T* param;

  explicit WholeMaster(const AdamW& op)
      : master(op.master.as<Accumulate<T>>()), param(op.param.as<T>()) {}
  [[nodiscard]] Accumulate<T> load(int64_t i) const { return master[i]; }
  void store(int64_t i, Accumulate<T> w) const {
    master[i] = w;
    param[i] = convert<T>(w);
  }
};

struct SplitMaster {
  uint16_t* low;
  bfloat16* param;

  explicit SplitMaster(const AdamW& op)
      : low(op.master.as<uint16_t>()), param(op.param.as<bfloat16>()) {}
  [[nodiscard]] float load(int64_t i) const { return join_float({param[i].bits, low[i]}); }
  void store(int64_t i, float w) const {
    const SplitFloat split = split_float(w);
    param[i].bits = split.bf16;
    low[i] = split.low;
  }
};

template <class A, class Master>
void update(const Stream& stream, const AdamW& op, Master master) {
  const auto* grad = op.grad.as<A>();
  auto* exp_avg = op.exp_avg.as<A>();
  auto* exp_avg_sq = op.exp_avg_sq.as<A>();
  const AdamWFactors<A> f(op);
  parallel_blocks(stream, op.param.numel(), kElementwiseBlock, [=](int64_t begin, int64_t end) {
#ifndef __clang__  // five arrays, disjoint or the same: more pairs than GCC tests at run time
#pragma GCC ivdep
#endif
    for (int64_t i = begin; i < end; ++i) {
      A w = master.load(i);
      A m = exp_avg[i];
      A v = exp_avg_sq[i];
      f.update(grad[i], w, m, v);
      exp_avg[i] = m;
      exp_avg_sq[i] = v;
      master.store(i, w);
    }
  });
}

}  // namespace

void run(Stream& stream, const AdamW& op) {
  if (is_split_master(op.master)) return update<float>(stream, op, SplitMaster(op));
  visit_dtype(op.param.dtype, [&]<class T>(std::type_identity<T>) {
    update<Accumulate<T>>(stream, op, WholeMaster<T>(op));
  });
}

}  // namespace swallow::cpu
