// Plays a schedule on a stage: the one place where steps become calls.
#pragma once

#include <functional>
#include <vector>

#include "comm/communicator.h"
#include "model/stage.h"
#include "pipeline/schedule.h"

namespace swallow {

/// Fills the tokens (first stage) and targets (last stage) of a micro-batch, both [s, b] i32; the
/// tensor that a stage does not need is empty.
using LoadMicrobatch =
    std::function<void(int64_t microbatch, const Tensor& tokens, const Tensor& targets)>;

class PipelineExecutor {
 public:
  /// `pp`: the pipeline group, rank = stage.
  PipelineExecutor(LlamaStage& stage, Stream& stream, Communicator& pp);

  /// `loss_scale`: the factor of every token's loss in the gradients.
  void run(const Schedule& schedule, const LoadMicrobatch& load, double loss_scale);

 private:
  void exchange(const std::vector<StageTransfer>& transfers);
  [[nodiscard]] Transfer transfer_of(const StageTransfer& transfer) const;

  LlamaStage& stage_;
  Stream& stream_;
  Communicator& pp_;
  std::vector<Transfer> pending_;  // reused, so that a step allocates nothing
};

}  // namespace swallow
