// AdamW with decoupled weight decay (Loshchilov & Hutter, arXiv 1711.05101) on one shard:
//   g = grad * grad_scale; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
//   w -= lr * (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + decay * w)
// in the accumulation type, then the parameter is the rounded master. One pass, bandwidth-bound:
// reads 16 and writes 14 bytes an element (bf16 parameter, fp32 state).
#pragma once

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

namespace cpu {
void run(Stream& stream, const AdamW& op);
}

}  // namespace swallow
