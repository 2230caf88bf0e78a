// Plays a schedule on a stage: the one place where steps become calls.
#pragma once

#include <array>
#include <functional>
#include <vector>

#include "comm/communicator.h"
#include "device/step_clock.h"
#include "model/stage.h"
#include "pipeline/schedule.h"

namespace swallow {

/// Fills the tokens (first stage) and targets (last stage) of a micro-batch, both [s, b] i32 in
/// host memory; the tensor that a stage does not need is empty.
using LoadMicrobatch =
    std::function<void(int64_t microbatch, const Tensor& tokens, const Tensor& targets)>;

class PipelineExecutor {
 public:
  /// `stream`: where the stage computes. `pp`: the pipeline group, rank = stage. `clock` is told
  /// of every step and of the stream's waits for other stages.
  PipelineExecutor(LlamaStage& stage, Stream& stream, Communicator& pp, StepClock& clock);

  /// `loss_scale`: the factor of every token's loss in the gradients. `observer` is told of every
  /// reading of parameters, and of complete gradients in the last micro-batch. Returns when all
  /// work is launched.
  void run(const Schedule& schedule, const LoadMicrobatch& load, double loss_scale,
           ParamObserver& observer);

 private:
  /// Host memory of a micro-batch on its way to the device.
  struct Staging {
    HostBuffer tokens, targets;  // empty where the stage has no such tensor
    Event copied;
  };
  enum Kind : size_t { activation, gradient };

  /// Before a buffer is written again that a transfer may still be reading.
  void wait_until_sent(Kind kind, int64_t microbatch);
  void load_microbatch(int64_t microbatch, const LoadMicrobatch& load);
  /// Fills the host tensors and tells the clock how long the stream had to wait for it.
  void fetch(int64_t microbatch, const LoadMicrobatch& load, const Tensor& tokens,
             const Tensor& targets);
  void exchange(const Step& step);
  [[nodiscard]] Transfer transfer_of(const StageTransfer& transfer) const;
  [[nodiscard]] Event& sent(Kind kind, int64_t microbatch) {
    return sent_[kind][static_cast<size_t>(microbatch % 2)];
  }

  LlamaStage& stage_;
  Stream& stream_;
  Communicator& pp_;
  StepClock& clock_;
  Stream pp_stream_;                          // sends and receives, beside the computation
  Event computed_;                            // what a transfer must wait for
  Event transferred_;                         // what computation on received tensors must wait for
  std::array<std::array<Event, 2>, 2> sent_;  // by kind and buffer: before it is written again
  Event launched_;                            // all work before the micro-batch being fetched
  std::vector<Staging> staging_;              // on a GPU; used in turn
  int64_t num_loaded_ = 0;
  std::vector<Transfer> pending_;  // reused, so that a step allocates nothing
};

}  // namespace swallow
