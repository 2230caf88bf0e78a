#include "pipeline/executor.h"

#include <chrono>

namespace swallow {

namespace {

/// As many micro-batches as the host may be ahead of a GPU.
constexpr int kStaged = 4;

/// A stage tells of complete gradients in every micro-batch; only the last one's are the sums.
class ReadingOnly final : public ParamObserver {
 public:
  explicit ReadingOnly(ParamObserver& observer) : observer_(observer) {}
  void before_reading(size_t end) override { observer_.before_reading(end); }
  void gradients_complete(size_t) override {}

 private:
  ParamObserver& observer_;
};

HostBuffer staging_for(const Tensor& tensor) {
  return tensor ? HostBuffer(tensor.device, tensor.bytes()) : HostBuffer();
}

Tensor on_host(const HostBuffer& buffer, const Tensor& tensor) {
  return tensor ? Tensor{buffer.data(), tensor.dtype, tensor.shape, Device{}} : Tensor{};
}

}  // namespace

PipelineExecutor::PipelineExecutor(LlamaStage& stage, Stream& stream, Communicator& pp,
                                   StepClock& clock)
    : stage_(stage),
      stream_(stream),
      pp_(pp),
      clock_(clock),
      pp_stream_(stream.device(), stream.num_threads()),
      computed_(stream.device()),
      transferred_(stream.device()),
      sent_{{{Event(stream.device()), Event(stream.device())},
             {Event(stream.device()), Event(stream.device())}}},
      launched_(stream.device()) {
  pending_.reserve(4);  // two messages each way is the most that a schedule groups
  if (stream.device().kind == DeviceKind::cpu) return;
  for (int i = 0; i < kStaged; ++i)
    staging_.push_back(
        {staging_for(stage.tokens(0)), staging_for(stage.targets(0)), Event(stream.device())});
}

void PipelineExecutor::run(const Schedule& schedule, const LoadMicrobatch& load, double loss_scale,
                           ParamObserver& observer) {
  SWALLOW_CHECK(schedule.num_slots <= stage_.num_slots(),
                "the schedule holds {} micro-batches, the stage has memory for {}",
                schedule.num_slots, stage_.num_slots());
  ReadingOnly reading(observer);
  const auto span = [this](const Step& step) {
    return Timeline::Span(clock_.timeline, Track::compute, name_of(step.kind), stream_,
                          step.microbatch);
  };
  for (const Step& step : schedule.steps) {
    const bool last = step.microbatch == schedule.num_microbatches - 1;
    switch (step.kind) {
      case Step::Kind::forward: {
        load_microbatch(step.microbatch, load);
        wait_until_sent(activation, step.microbatch);
        const auto forward = span(step);
        stage_.forward(step.microbatch, observer);
        break;
      }
      case Step::Kind::backward: {
        wait_until_sent(gradient, step.microbatch);
        const auto backward = span(step);
        stage_.backward(step.microbatch, loss_scale, last ? observer : reading);
        break;
      }
      case Step::Kind::evaluate: {
        load_microbatch(step.microbatch, load);
        wait_until_sent(activation, step.microbatch);
        const auto evaluate = span(step);
        stage_.evaluate(step.microbatch, observer);
        break;
      }
      case Step::Kind::exchange:
        exchange(step);
        break;
    }
  }
}

void PipelineExecutor::wait_until_sent(Kind kind, int64_t microbatch) {
  clock_.stalls.begin(stream_);
  stream_.wait(sent(kind, microbatch));
  clock_.stalls.end(stream_);
}

void PipelineExecutor::load_microbatch(int64_t microbatch, const LoadMicrobatch& load) {
  const Timeline::Span span(clock_.timeline, Track::host, "load", stream_, microbatch);
  const Tensor& tokens = stage_.tokens(microbatch);
  const Tensor& targets = stage_.targets(microbatch);
  if (staging_.empty()) return fetch(microbatch, load, tokens, targets);
  Staging& staging = staging_[static_cast<size_t>(num_loaded_++ % kStaged)];
  staging.copied.synchronize();
  const Tensor host_tokens = on_host(staging.tokens, tokens);
  const Tensor host_targets = on_host(staging.targets, targets);
  fetch(microbatch, load, host_tokens, host_targets);
  if (tokens) copy(stream_, tokens, host_tokens);
  if (targets) copy(stream_, targets, host_targets);
  staging.copied.record(stream_);
}

void PipelineExecutor::fetch(int64_t microbatch, const LoadMicrobatch& load, const Tensor& tokens,
                             const Tensor& targets) {
  using Clock = std::chrono::steady_clock;
  launched_.record(stream_);
  const auto begin = Clock::now();
  load(microbatch, tokens, targets);
  // A GPU that has not yet done what was launched before has waited for nothing here.
  if (launched_.query())
    clock_.data_seconds += std::chrono::duration<double>(Clock::now() - begin).count();
}

void PipelineExecutor::exchange(const Step& step) {
  const std::vector<StageTransfer>& transfers = step.transfers;
  pending_.clear();
  for (const StageTransfer& transfer : transfers) pending_.push_back(transfer_of(transfer));
  clock_.stalls.begin(stream_);
  computed_.record(stream_);
  pp_stream_.wait(computed_);
  {
    const Timeline::Span span(clock_.timeline, Track::pipeline, name_of(step.kind), pp_stream_,
                              transfers.front().microbatch);
    pp_.exchange(pp_stream_, pending_);
  }
  bool receives = false;
  for (const StageTransfer& transfer : transfers) {
    if (transfer.kind == StageTransfer::Kind::send_activation)
      sent(activation, transfer.microbatch).record(pp_stream_);
    else if (transfer.kind == StageTransfer::Kind::send_gradient)
      sent(gradient, transfer.microbatch).record(pp_stream_);
    else
      receives = true;
  }
  if (receives) {
    transferred_.record(pp_stream_);
    stream_.wait(transferred_);
  }
  clock_.stalls.end(stream_);
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
