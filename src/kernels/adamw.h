// AdamW with decoupled weight decay (Loshchilov & Hutter, arXiv 1711.05101) on one shard:
//   g = grad * grad_scale; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
//   w -= lr * (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + decay * w)
// in the accumulation type, then the parameter is the rounded master. Which sums are fused with a
// product is spelled out in AdamWFactors::update, so an element's bits depend neither on the
// compiler, nor on where in a shard it lies, nor on the device.
// A master in fp32 may be split: the parameter holds its upper half, rounded, and `master` only the
// 16 low bits (base/split_float.h). The updated master has the bits of the whole one, as parameters
// never enter the update; the parameter differs from the whole master's on exact ties, which go
// away from zero instead of to even.
// One pass, bandwidth-bound. Bytes an element with a bf16 parameter and fp32 state: reads 16 and
// writes 14; with a split master reads 16 and writes 12.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/launch.h"
#include "tensor/tensor.h"

namespace swallow {

/// Whether `master` is the low bits of a split one.
inline bool is_split_master(const Tensor& master) {
  return master.dtype == DType::u16;
}

struct AdamW {
  Tensor grad;        // [n] accumulation type
  Tensor master;      // [n] in and out; u16: the low bits of a split master
  Tensor exp_avg;     // [n] in and out, first moment
  Tensor exp_avg_sq;  // [n] in and out, second moment
  Tensor param;       // [n] out, parameter type; in and out, bf16, with a split master
  double lr = 0;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0;
  double grad_scale = 1;  // the clip factor
  int64_t step = 1;       // t, counted from 1
  void check() const;
};

/// Factors of the update, worked out in double once a step: 1 - b^t loses digits in float.
template <class A>
struct AdamWFactors {
  A beta1, one_minus_beta1, beta2, one_minus_beta2;
  A correction1, correction2;  // 1 / (1 - b^t)
  A lr, eps, weight_decay, grad_scale;

  explicit AdamWFactors(const AdamW& op)
      : beta1(static_cast<A>(op.beta1)),
        one_minus_beta1(static_cast<A>(1 - op.beta1)),
        beta2(static_cast<A>(op.beta2)),
        one_minus_beta2(static_cast<A>(1 - op.beta2)),
        correction1(static_cast<A>(1 / (1 - std::pow(op.beta1, static_cast<double>(op.step))))),
        correction2(static_cast<A>(1 / (1 - std::pow(op.beta2, static_cast<double>(op.step))))),
        lr(static_cast<A>(op.lr)),
        eps(static_cast<A>(op.eps)),
        weight_decay(static_cast<A>(op.weight_decay)),
        grad_scale(static_cast<A>(op.grad_scale)) {}

  /// One element, on any device: the one place of the update's arithmetic.
  constexpr void update(A grad, A& master, A& exp_avg, A& exp_avg_sq) const {
    const A g = grad * grad_scale;
    exp_avg = std::fma(beta1, exp_avg, one_minus_beta1 * g);
    exp_avg_sq = std::fma(beta2, exp_avg_sq, one_minus_beta2 * (g * g));
    const A step = exp_avg * correction1 / (std::sqrt(exp_avg_sq * correction2) + eps);
    master = std::fma(-lr, std::fma(weight_decay, master, step), master);
  }
};

namespace cpu {
void run(Stream& stream, const AdamW& op);
}

namespace cuda {
void run(Stream& stream, const AdamW& op);
}

}  // namespace swallow
