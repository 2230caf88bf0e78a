#include "model/stage.h"

#include <utility>

#include "kernels/elementwise.h"
#include "kernels/rmsnorm.h"
#include "kernels/rope.h"
#include "parallel/linear.h"

namespace swallow {

LlamaStage::LlamaStage(const ModelShapes& shapes, StageMemory memory, LlamaParams params,
                       LlamaParams gradients, Stream& stream, Communicator& tp)
    : shapes_(shapes),
      order_(shapes),
      memory_(std::move(memory)),
      params_(std::move(params)),
      gradients_(std::move(gradients)),
      stream_(stream),
      tp_{stream,
          tp,
          shapes.sequence_parallel,
          memory_.work.gathered,
          memory_.work.partial,
          memory_.work.gemm},
      context_{shapes_, tp_, memory_.work, memory_.rope} {
  const Buffer host(Device{}, memory_.rope.bytes());
  const Tensor table{host.data(), memory_.rope.dtype, memory_.rope.shape, Device{}};
  fill_rope_table(table, shapes_.rotary_base);
  copy(stream_, memory_.rope, table);
  stream_.synchronize();
}

const SlotMemory& LlamaStage::slot(int64_t microbatch) const {
  return memory_.slots[static_cast<size_t>(microbatch) % memory_.slots.size()];
}

void LlamaStage::forward(int64_t microbatch, ParamObserver& observer) {
  const SlotMemory& s = slot(microbatch);
  observer.before_reading(order_.embedding_end);
  if (shapes_.has_embedding)
    vocab_parallel_embedding_forward(tp_, s.tokens, params_.embedding, s.input,
                                     shapes_.vocab_start());
  Tensor x = s.input;
  Tensor delta;
  for (size_t i = 0; i < s.blocks.size(); ++i) {
    observer.before_reading(order_.block_end(i));
    block_forward(context_, params_.blocks[i], s.blocks[i], x, delta);
    x = s.blocks[i].x2;
    delta = memory_.work.delta;
  }
  launch(stream_, Add{.a = x, .b = delta, .y = shapes_.has_head ? s.final_x : output(microbatch)});
}

void LlamaStage::backward(int64_t microbatch, double loss_scale, ParamObserver& observer) {
  const SlotMemory& s = slot(microbatch);
  const Tensor& dx = gradient(microbatch);
  const Beta beta = microbatch == 0 ? Beta::zero : Beta::one;
  if (shapes_.has_head) {
    observer.before_reading(order_.end);
    head_forward_backward(s, dx, loss_scale, beta);
    observer.gradients_complete(order_.head_begin);
  }
  for (size_t i = s.blocks.size(); i-- > 0;) {
    block_recompute(context_, params_.blocks[i], s.blocks[i]);
    block_backward(context_, params_.blocks[i], gradients_.blocks[i], s.blocks[i], dx, beta);
    observer.gradients_complete(order_.block_begin(i));
  }
  if (shapes_.has_embedding)
    vocab_parallel_embedding_backward(tp_, s.tokens, dx, gradients_.embedding,
                                      shapes_.vocab_start());
}

void LlamaStage::evaluate(int64_t microbatch, ParamObserver& observer) {
  forward(microbatch, observer);
  if (!shapes_.has_head) return;
  observer.before_reading(order_.end);
  head_forward(slot(microbatch));
}

VocabParallelHead LlamaStage::head_of(const SlotMemory& s) const {
  const Workspace& w = memory_.work;
  return {.x = w.final_n,
          .w = params_.head,
          .targets = s.targets.view({s.targets.numel()}),
          .logits = w.logits,
          .slice = {shapes_.vocab_start(), shapes_.vocab_valid(), w.maxima, w.local_maxima, w.sums},
          .loss = memory_.loss};
}

void LlamaStage::final_norm(const SlotMemory& s) {
  const Workspace& w = memory_.work;
  launch(stream_, RmsNormForward{.x = s.final_x.as_matrix(),
                                 .weight = params_.final_norm,
                                 .y = w.final_n.as_matrix(),
                                 .rstd = w.final_rstd,
                                 .eps = shapes_.norm_epsilon});
}

void LlamaStage::head_forward(const SlotMemory& s) {
  final_norm(s);
  vocab_parallel_head_loss(tp_, head_of(s));
}

void LlamaStage::head_forward_backward(const SlotMemory& s, const Tensor& dx, double loss_scale,
                                       Beta beta) {
  const Workspace& w = memory_.work;
  // 1. final norm
  final_norm(s);
  // 2. logits and loss, forward and backward chunk by chunk
  vocab_parallel_head_loss_and_gradients(tp_, head_of(s), loss_scale, w.dnorm, gradients_.head,
                                         beta);
  // 1. final norm, backward; nothing flows around it, so the gradient starts from zero
  zero(stream_, dx);
  launch(stream_, RmsNormBackward{.dy = w.dnorm.as_matrix(),
                                  .x = s.final_x.as_matrix(),
                                  .weight = params_.final_norm,
                                  .rstd = w.final_rstd,
                                  .dx = dx.as_matrix(),
                                  .dweight = gradients_.final_norm,
                                  .workspace = w.norm});
}

}  // namespace swallow
