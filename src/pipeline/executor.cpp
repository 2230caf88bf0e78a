#include "pipeline/executor.h"

namespace swallow {

PipelineExecutor::PipelineExecutor(LlamaStage& stage, Stream& stream, Communicator& pp)
    : stage_(stage), stream_(stream), pp_(pp) {
  pending_.reserve(4);  // two messages each way is the most that a schedule groups
}

void PipelineExecutor::run(const Schedule& schedule, const LoadMicrobatch& load,
                           double loss_scale) {
  SWALLOW_CHECK(schedule.num_slots <= stage_.num_slots(),
                "the schedule holds {} micro-batches, the stage has memory for {}",
                schedule.num_slots, stage_.num_slots());
  for (const Step& step : schedule.steps) {
    switch (step.kind) {
      case Step::Kind::forward:
        load(step.microbatch, stage_.tokens(step.microbatch), stage_.targets(step.microbatch));
        stage_.forward(step.microbatch);
        break;
      case Step::Kind::backward:
        stage_.backward(step.microbatch, loss_scale);
        break;
      case Step::Kind::evaluate:
        load(step.microbatch, stage_.tokens(step.microbatch), stage_.targets(step.microbatch));
        stage_.evaluate(step.microbatch);
        break;
      case Step::Kind::exchange:
        exchange(step.transfers);
        break;
    }
  }
}

void PipelineExecutor::exchange(const std::vector<StageTransfer>& transfers) {
  pending_.clear();
  for (const StageTransfer& transfer : transfers) pending_.push_back(transfer_of(transfer));
  pp_.exchange(stream_, pending_);
}

Transfer PipelineExecutor::transfer_of(const StageTransfer& transfer) const {
  using Direction = Transfer::Direction;
  const int previous = pp_.rank() - 1;
  const int next = pp_.rank() + 1;
  const int64_t i = transfer.microbatch;
  switch (transfer.kind) {
    case StageTransfer::Kind::send_activation:
      return {Direction::send, next, stage_.output(i)};
    case StageTransfer::Kind::receive_activation:
      return {Direction::receive, previous, stage_.input(i)};
    case StageTransfer::Kind::send_gradient:
      return {Direction::send, previous, stage_.gradient(i)};
    case StageTransfer::Kind::receive_gradient:
      return {Direction::receive, next, stage_.gradient(i)};
  }
  throw ContractError("unknown transfer");
}

}  // namespace swallow
