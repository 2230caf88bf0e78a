// AdamW with decoupled weight decay (Loshchilov & Hutter, arXiv 1711.05101) on one shard:
//   g = grad * grad_scale; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
//   w -= lr * (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + decay * w)
// in the accumulation type, then the parameter is the rounded master. Which sums are fused with a
// product is spelled out in the kernels, so an element's bits depend neither on the compiler, nor
// on where in a shard it lies, nor on the device. One pass, bandwidth-bound: reads 16 and writes 14
// bytes an element (bf16 parameter, fp32 state).
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/launch.h"
#include "tensor/tensor.h"

namespace swallow {

struct AdamW {
  Tensor grad;        // [n] accumulation type
  Tensor master;      // [n] in and out
  Tensor exp_avg;     // [n] in and out, first moment
  Tensor exp_avg_sq;  // [n] in and out, second moment
  Tensor param;       // [n] out, parameter type
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
};

namespace cpu {
void run(Stream& stream, const AdamW& op);
}

namespace cuda {
void run(Stream& stream, const AdamW& op);
}

}  // namespace swallow
