// One Llama block, forward and backward by hand. The steps carry the same numbers in both: the
// backward pass is the forward list read upwards.
#pragma once

#include "kernels/gemm.h"
#include "model/activations.h"
#include "model/params.h"
#include "parallel/sequence_region.h"

namespace swallow {

/// What a block needs beside its own weights and activations.
struct BlockContext {
  const ModelShapes& shapes;
  const TensorParallel& tp;
  const Workspace& work;
  Tensor rope;  // [s, d]
};

/// The residual stream is handed over as two addends, so that the addition is fused into the norm
/// that follows: x1 = x + delta (delta may be left out, then x must be a.x1), and the block's
/// result is a.x2 + work.delta. `delta` may be work.delta.
void block_forward(const BlockContext& c, const BlockParams& p, const BlockActivations& a,
                   const Tensor& x, const Tensor& delta);

/// Brings back what the recompute mode did not keep. The same bits as the forward pass.
void block_recompute(const BlockContext& c, const BlockParams& p, const BlockActivations& a);

/// dx [s/t, b, h]: the gradient of the residual stream, in: after the block, out: before it.
/// Gradients of matrices go to `g` over what is there or added to it, as `beta` says; those of norm
/// weights are always added.
void block_backward(const BlockContext& c, const BlockParams& p, const BlockParams& g,
                    const BlockActivations& a, const Tensor& dx, Beta beta);

}  // namespace swallow
