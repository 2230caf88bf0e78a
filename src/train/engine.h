// Everything of a rank that computes: memory, parameters, stage, schedules, optimizer. One training
// step and one evaluation, as straight walks. Knows nothing of files, logs or signals.
#pragma once

#include <cstdint>

#include "checkpoint/checkpoint.h"
#include "comm/world.h"
#include "config/run_config.h"
#include "config/run_shape.h"
#include "model/stage.h"
#include "optim/distributed_optimizer.h"
#include "optim/lr_schedule.h"
#include "pipeline/executor.h"
#include "plan/memory_plan.h"
#include "tensor/arena.h"

namespace swallow {

struct StepResult {
  double loss = 0;       // mean over the tokens of the global batch
  double grad_norm = 0;  // before clipping
  double lr = 0;         // the rate of this step's update
  bool stop = false;     // some rank asked to stop after this step
  bool finish = false;   // some rank asked to end the run for good after this step
  bool saved = false;    // every rank has written its file of the save in the background
  bool updated = false;  // false: loss or gradient was not finite and the weights were not touched
};

/// Seconds in which a rank did not compute.
struct Waits {
  double ranks = 0;  // for others, moving the bytes included
  double data = 0;   // for micro-batches
};

class TrainingEngine {
 public:
  /// Plans and allocates all memory of this rank. `config`, `stream` and `world` outlive the
  /// engine.
  TrainingEngine(const RunConfig& config, const RunShape& run, Stream& stream, const World& world);
  TrainingEngine(const TrainingEngine&) = delete;
  TrainingEngine& operator=(const TrainingEngine&) = delete;

  /// Random weights, the same for every grid.
  void initialise();

  /// One step on the micro-batches that `load` gives; `steps_done` updates came before it.
  /// Collective over all ranks, and every rank gets the same result. A vote to stop or to
  /// finish of any rank counts, and one of `saved` when it is unanimous.
  StepResult train_step(const LoadMicrobatch& load, int64_t steps_done, const Votes& votes = {});

  /// Mean loss over `num_microbatches` per data-parallel rank. Collective.
  double evaluate(const LoadMicrobatch& load, int64_t num_microbatches);

  /// Since construction: the rest of a step's time the rank computes. For other ranks: on the CPU
  /// all calls of the three groups count. On a GPU it is the time in which the computing stream
  /// stood still at what goes on beside it (pipeline transfers, the optimizer's collectives) and at
  /// the reductions over all ranks; calls within a tensor-parallel group run on that stream itself
  /// and are counted as computing, so that the ranks of such a group, which wait for each other
  /// many times a layer, look alike there. For data: the time that `load` took, on a GPU only where
  /// the stream had nothing left to do.
  [[nodiscard]] Waits waits();

  /// What train_step records between Timeline::begin_step and end_step; room for it must be made.
  [[nodiscard]] Timeline& timeline() noexcept { return clock_.timeline; }
  void reserve_timeline(int64_t steps);

  /// What a checkpoint of this rank holds; the stream has waited for all parameters.
  [[nodiscard]] CheckpointTensors checkpoint_tensors();
  /// Collective: to be called after a checkpoint was loaded into these tensors.
  void gather_params() { optimizer_.gather_params(); }
  /// To be called after the weights alone were set.
  void reset_master() { optimizer_.reset_master(); }

  [[nodiscard]] const ModelShapes& shapes() const noexcept { return plan_.shapes; }
  [[nodiscard]] const ParamLayout& layout() const noexcept { return plan_.layout; }
  [[nodiscard]] const OptimizerMemory& memory() const noexcept { return optimizer_.memory(); }
  [[nodiscard]] const Ledger& ledger() const noexcept { return arena_.ledger(); }

 private:
  void initialise(const ParamSpec& spec, const Tensor& param);
  double reduce_loss(int64_t num_tokens);

  const RunConfig& config_;
  RunShape run_;
  Stream& stream_;
  const World& world_;
  EnginePlan plan_;
  LrSchedule lr_;
  Arena arena_;
  EngineMemory memory_;
  StepClock clock_;
  LlamaStage stage_;
  PipelineExecutor executor_;
  DistributedOptimizer optimizer_;
  CancelOnError cancel_;  // last: gone before the memory that kernels may still use
};

}  // namespace swallow
