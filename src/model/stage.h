// This rank's slice of the model: the layers of one pipeline stage, with the embedding on the first
// and the final norm, head and loss on the last. Knows nothing of schedules or of other stages.
#pragma once

#include <cstdint>

#include "comm/communicator.h"
#include "model/activations.h"
#include "model/block.h"
#include "model/params.h"
#include "model/shapes.h"
#include "parallel/vocab.h"

namespace swallow {

class LlamaStage {
 public:
  /// Memory and parameters outlive the stage. `stream` and `tp` are used by every call.
  LlamaStage(const ModelShapes& shapes, StageMemory memory, LlamaParams params,
             LlamaParams gradients, Stream& stream, Communicator& tp);
  LlamaStage(const LlamaStage&) = delete;
  LlamaStage& operator=(const LlamaStage&) = delete;

  [[nodiscard]] const ModelShapes& shapes() const noexcept { return shapes_; }
  [[nodiscard]] int num_slots() const noexcept { return static_cast<int>(memory_.slots.size()); }

  // Buffers of a micro-batch, for whoever loads and moves them.
  [[nodiscard]] const Tensor& tokens(int64_t microbatch) const { return slot(microbatch).tokens; }
  [[nodiscard]] const Tensor& targets(int64_t microbatch) const { return slot(microbatch).targets; }
  [[nodiscard]] const Tensor& input(int64_t microbatch) const { return slot(microbatch).input; }
  [[nodiscard]] const Tensor& output(int64_t microbatch) const {
    return memory_.outputs[static_cast<size_t>(microbatch % 2)];
  }
  [[nodiscard]] const Tensor& gradient(int64_t microbatch) const {
    return memory_.gradients[static_cast<size_t>(microbatch % 2)];
  }

  /// Tokens or input -> output. The last stage stops before the final norm: its head runs in
  /// backward(), where the logits are needed only once and no micro-batch has to keep them.
  /// `observer` is told before parameters are read.
  void forward(int64_t microbatch, ParamObserver& observer);
  /// gradient (of the output) -> gradient (of the input), and the parameters' gradients: of
  /// matrices micro-batch 0, the first of a step, writes them over what is there, so that they need
  /// not be zeroed and are read once less; all else is added. The last stage computes loss and
  /// dlogits first; `loss_scale` is the factor of every token's loss. `observer` is told of
  /// gradients that no later work of this call adds to.
  void backward(int64_t microbatch, double loss_scale, ParamObserver& observer);
  /// forward() and, on the last stage, the loss; for validation.
  void evaluate(int64_t microbatch, ParamObserver& observer);

  /// Sum of the token losses since it was last set to zero, [1] f64 on the device; zero except on
  /// the last stage.
  [[nodiscard]] const Tensor& loss_sum() const noexcept { return memory_.loss; }

 private:
  [[nodiscard]] const SlotMemory& slot(int64_t microbatch) const;
  void head_forward(const SlotMemory& slot);
  void head_forward_backward(const SlotMemory& slot, const Tensor& dx, double loss_scale,
                             Beta beta);
  void final_norm(const SlotMemory& slot);
  [[nodiscard]] VocabParallelHead head_of(const SlotMemory& slot) const;

  ModelShapes shapes_;
  ParamOrder order_;
  StageMemory memory_;
  LlamaParams params_;
  LlamaParams gradients_;
  Stream& stream_;
  TensorParallel tp_;
  BlockContext context_;
};

}  // namespace swallow
