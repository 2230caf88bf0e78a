// A slice of a model that is too large for the machine at hand: the layers of one pipeline stage,
// with the tensor shapes of one tensor-parallel rank, on one device. Everything that a micro-batch
// computes there is run; collectives, the transfers of the pipeline and the optimizer are left out.
#pragma once

#include "bench/absent_group.h"
#include "bench/timing.h"
#include "config/run_config.h"
#include "config/run_shape.h"
#include "model/stage.h"
#include "optim/param_layout.h"
#include "tensor/arena.h"

namespace swallow {

/// Of one micro-batch.
struct SliceTimes {
  Statistics forward_ms;
  Statistics backward_ms;
  Statistics both_ms;
};

class StageSlice {
 public:
  /// `run` is of the whole grid. Takes a stage in the middle where there is one (neither embedding
  /// nor head), otherwise the first.
  StageSlice(const RunConfig& config, const RunShape& run, Stream& stream);
  StageSlice(const StageSlice&) = delete;
  StageSlice& operator=(const StageSlice&) = delete;

  [[nodiscard]] int stage_index() const noexcept { return stage_index_; }
  [[nodiscard]] const ModelShapes& shapes() const noexcept { return shapes_; }
  [[nodiscard]] const Ledger& ledger() const noexcept { return arena_.ledger(); }
  /// The tensor-parallel collectives left out so far.
  [[nodiscard]] const AbsentGroup& left_out() const noexcept { return tp_; }

  [[nodiscard]] const Tensor& loss_sum() const noexcept { return stage_.loss_sum(); }

  void forward() { stage_.forward(0, nobody_); }
  void backward();
  [[nodiscard]] SliceTimes time(int64_t repeats);

 private:
  struct Memory {
    Tensor params;     // [total] activation type
    Tensor gradients;  // [total] main type
    Tensor incoming;   // [s/t, b, h] stands for the gradient from the next stage
    StageMemory stage;
  };
  static Memory take(const ParamLayout& layout, const ModelShapes& shapes, int num_threads,
                     Arena& arena);
  static Ledger plan(const ParamLayout& layout, const ModelShapes& shapes, const Stream& stream);
  void fill();

  /// There is no communication to hide behind the computation.
  struct Nobody final : ParamObserver {
    void before_reading(size_t) override {}
    void gradients_complete(size_t) override {}
  };

  Stream& stream_;
  int stage_index_;
  ModelShapes shapes_;
  ParamLayout layout_;
  Arena arena_;
  Memory memory_;
  AbsentGroup tp_;
  Nobody nobody_;
  LlamaStage stage_;
};

}  // namespace swallow
