// SwiGLU (Shazeer, arXiv 2002.05202): y = silu(gate) * up, gate and up lying side by side in a row.
// Bandwidth-bound: forward reads 2 and writes 1 tensor of [rows, f/t], backward reads 3, writes 2.
#pragma once

#include "kernels/launch.h"
#include "tensor/tensor.h"

namespace swallow {

struct SwigluForward {
  Tensor gate_up;  // [rows, 2 f/t]: gate, then up
  Tensor y;        // [rows, f/t] out
  void check() const;
};

struct SwigluBackward {
  Tensor gate_up;   // [rows, 2 f/t]
  Tensor dy;        // [rows, f/t]
  Tensor dgate_up;  // [rows, 2 f/t] out; may be the same memory as gate_up
  void check() const;
};

namespace cpu {
void run(Stream& stream, const SwigluForward& op);
void run(Stream& stream, const SwigluBackward& op);
}  // namespace cpu

namespace cuda {
void run(Stream& stream, const SwigluForward& op);
void run(Stream& stream, const SwigluBackward& op);
}  // namespace cuda

}  // namespace swallow
