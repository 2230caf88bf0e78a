#include "model/block.h"

#include <cmath>

#include "kernels/attention.h"
#include "kernels/rmsnorm.h"
#include "kernels/rope.h"
#include "kernels/swiglu.h"
#include "parallel/linear.h"

namespace swallow {

namespace {

AttentionShape attention_shape(const ModelShapes& m) {
  return {m.sequence, m.batch, m.heads_local(), m.kv_heads_local(), m.head_dim};
}

double attention_scale(const ModelShapes& m) {
  return 1.0 / std::sqrt(static_cast<double>(m.head_dim));
}

Rope rope_op(const BlockContext& c, const Tensor& qkv, RopeDirection direction) {
  return {.qkv = qkv,
          .table = c.rope,
          .heads = c.shapes.heads_local() + c.shapes.kv_heads_local(),
          .direction = direction};
}

void norm_forward(const BlockContext& c, const Tensor& x, const Tensor& delta, const Tensor& sum,
                  const Tensor& weight, const Tensor& y, const Tensor& rstd) {
  launch(c.tp.stream, RmsNormForward{.x = x.as_matrix(),
                                     .delta = delta ? delta.as_matrix() : Tensor{},
                                     .residual = delta ? sum.as_matrix() : Tensor{},
                                     .weight = weight,
                                     .y = y.as_matrix(),
                                     .rstd = rstd,
                                     .eps = c.shapes.norm_epsilon});
}

void norm_recompute(const BlockContext& c, const Tensor& sum, const Tensor& weight,
                    const Tensor& rstd, const Tensor& y) {
  launch(
      c.tp.stream,
      RmsNormRecompute{.x = sum.as_matrix(), .weight = weight, .rstd = rstd, .y = y.as_matrix()});
}

void norm_backward(const BlockContext& c, const Tensor& dy, const Tensor& sum, const Tensor& weight,
                   const Tensor& rstd, const Tensor& dx, const Tensor& dweight) {
  launch(c.tp.stream, RmsNormBackward{.dy = dy.as_matrix(),
                                      .x = sum.as_matrix(),
                                      .weight = weight,
                                      .rstd = rstd,
                                      .dx = dx.as_matrix(),
                                      .dweight = dweight,
                                      .workspace = c.work.norm});
}

/// Steps 2 to 8: from the first normalised input to the input of the last product.
void forward_between_norm_and_down_proj(const BlockContext& c, const BlockParams& p,
                                        const BlockActivations& a) {
  // 2. query, key and value heads
  column_parallel_forward(c.tp, a.n1, p.qkv, a.qkv);
  // 3. rotary position embedding, in place
  launch(c.tp.stream, rope_op(c, a.qkv, RopeDirection::forward));
  // 4. causal attention
  launch(c.tp.stream, AttentionForward{.shape = attention_shape(c.shapes),
                                       .qkv = a.qkv,
                                       .out = a.attn,
                                       .stats = a.stats,
                                       .workspace = c.work.attention,
                                       .scale = attention_scale(c.shapes)});
  // 5. output projection
  row_parallel_forward(c.tp, a.attn, p.out_proj, c.work.delta);
  // 6. residual addition and norm
  norm_forward(c, a.x1, c.work.delta, a.x2, p.post_norm, a.n2, a.rstd2);
  // 7. gate and up projections
  column_parallel_forward(c.tp, a.n2, p.gate_up, a.gate_up);
  // 8. SwiGLU
  launch(c.tp.stream, SwigluForward{.gate_up = a.gate_up.as_matrix(), .y = a.act.as_matrix()});
}

}  // namespace

void block_forward(const BlockContext& c, const BlockParams& p, const BlockActivations& a,
                   const Tensor& x, const Tensor& delta) {
  // 1. residual addition and norm
  norm_forward(c, x, delta, a.x1, p.input_norm, a.n1, a.rstd1);
  forward_between_norm_and_down_proj(c, p, a);
  // 9. down projection
  row_parallel_forward(c.tp, a.act, p.down_proj, c.work.delta);
}

void block_recompute(const BlockContext& c, const BlockParams& p, const BlockActivations& a) {
  switch (c.shapes.recompute) {
    case Recompute::none:
      return;
    case Recompute::selective:
      norm_recompute(c, a.x1, p.input_norm, a.rstd1, a.n1);
      norm_recompute(c, a.x2, p.post_norm, a.rstd2, a.n2);
      launch(c.tp.stream, SwigluForward{.gate_up = a.gate_up.as_matrix(), .y = a.act.as_matrix()});
      return;
    case Recompute::full:
      norm_forward(c, a.x1, {}, {}, p.input_norm, a.n1, a.rstd1);
      forward_between_norm_and_down_proj(c, p, a);
      return;
  }
}

void block_backward(const BlockContext& c, const BlockParams& p, const BlockParams& g,
                    const BlockActivations& a, const Tensor& dx, Beta beta) {
  const Workspace& w = c.work;
  // 9. down projection
  row_parallel_backward(c.tp, dx, a.act, p.down_proj, w.dact, g.down_proj, beta);
  // 8. SwiGLU
  launch(c.tp.stream, SwigluBackward{.gate_up = a.gate_up.as_matrix(),
                                     .dy = w.dact.as_matrix(),
                                     .dgate_up = w.dgate_up.as_matrix()});
  // 7. gate and up projections
  column_parallel_backward(c.tp, w.dgate_up, a.n2, p.gate_up, w.dnorm, g.gate_up, beta);
  // 6. norm; the residual addition hands dx to both its addends
  norm_backward(c, w.dnorm, a.x2, p.post_norm, a.rstd2, dx, g.post_norm);
  // 5. output projection
  row_parallel_backward(c.tp, dx, a.attn, p.out_proj, w.dattn, g.out_proj, beta);
  // 4. causal attention
  launch(c.tp.stream, AttentionBackward{.shape = attention_shape(c.shapes),
                                        .qkv = a.qkv,
                                        .out = a.attn,
                                        .stats = a.stats,
                                        .dout = w.dattn,
                                        .dqkv = w.dqkv,
                                        .workspace = w.attention,
                                        .scale = attention_scale(c.shapes),
                                        .determinism = c.shapes.determinism});
  // 3. rotary position embedding
  launch(c.tp.stream, rope_op(c, w.dqkv, RopeDirection::backward));
  // 2. query, key and value heads
  column_parallel_backward(c.tp, w.dqkv, a.n1, p.qkv, w.dnorm, g.qkv, beta);
  // 1. norm
  norm_backward(c, w.dnorm, a.x1, p.input_norm, a.rstd1, dx, g.input_norm);
}

}  // namespace swallow
