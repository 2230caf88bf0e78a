// RMSNorm fused with the residual addition before it (Zhang & Sennrich, arXiv 1910.07467):
// y = x * rsqrt(mean(x^2) + eps) * weight, statistics in the accumulation type. As in Llama 2,
// x * rstd is rounded to the activation type before it is multiplied by the weight.
// Bandwidth-bound: forward reads 2 and writes 2 tensors of [rows, h], backward reads 3, writes 1.
#pragma once

#include <cstdint>

#include "kernels/launch.h"
#include "tensor/tensor.h"

namespace swallow {

struct RmsNormForward {
  Tensor x;         // [rows, h] residual stream
  Tensor delta;     // [rows, h] optional: added to x first
  Tensor residual;  // [rows, h] out, x + delta rounded to the type; left out when delta is
  Tensor weight;    // [h]
  Tensor y;         // [rows, h] out
  Tensor rstd;      // [rows] out, accumulation type
  double eps = 1e-5;
  void check() const;
};

/// y again from saved statistics; the same bits as the forward pass.
struct RmsNormRecompute {
  Tensor x;  // [rows, h] the sum that was normalised (`residual`, or x when delta was left out)
  Tensor weight;  // [h]
  Tensor rstd;    // [rows]
  Tensor y;       // [rows, h] out
  void check() const;
};

/// dx (+)= gradient through the norm; dweight += its gradient, summed over rows in fixed order.
struct RmsNormBackward {
  Tensor dy;         // [rows, h]
  Tensor x;          // [rows, h] the sum that was normalised
  Tensor weight;     // [h]
  Tensor rstd;       // [rows]
  Tensor dx;         // [rows, h] in and out: the residual stream's gradient is added to
  Tensor dweight;    // [h] accumulation type, added to
  Tensor workspace;  // [>= rmsnorm_workspace_bytes] u8, may be left out where that is zero
  void check() const;
};

/// Slices of rows whose sums of dweight a GPU computes side by side. A function of rows alone, so
/// that all GPUs add in the same order.
int64_t rmsnorm_slices(int64_t rows);

/// Scratch of the backward pass: one f32 row a slice on a GPU, none on a CPU.
int64_t rmsnorm_workspace_bytes(Device device, int64_t rows, int64_t hidden);

namespace cpu {
void run(Stream& stream, const RmsNormForward& op);
void run(Stream& stream, const RmsNormRecompute& op);
void run(Stream& stream, const RmsNormBackward& op);
}  // namespace cpu

namespace cuda {
void run(Stream& stream, const RmsNormForward& op);
void run(Stream& stream, const RmsNormRecompute& op);
void run(Stream& stream, const RmsNormBackward& op);
}  // namespace cuda

}  // namespace swallow
