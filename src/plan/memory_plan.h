// What a rank's engine consists of and what memory that takes, from the settings and the rank's
// place in the grid alone. There is this one plan: the trainer allocates by it, and what is shown
// before training and by `plan` is counted by it.
#pragma once

#include <cstdint>

#include "checkpoint/checkpoint.h"
#include "config/run_config.h"
#include "config/run_shape.h"
#include "launch/process_grid.h"
#include "model/activations.h"
#include "model/shapes.h"
#include "optim/distributed_optimizer.h"
#include "optim/param_layout.h"
#include "pipeline/schedule.h"
#include "tensor/arena.h"

namespace swallow {

struct EnginePlan {
  ModelShapes shapes;
  ParamLayout layout;
  Schedule schedule;  // of a training step
};

EnginePlan plan_engine(const RunConfig& config, const RunShape& run, GridCoordinate at);

/// How the parameters of a rank lie in memory: its part of plan_engine().
ParamLayout plan_layout(const RunConfig& config, const RunShape& run, const ModelShapes& shapes);

/// The steps of one stage in a training step: its part of plan_engine().
Schedule plan_schedule(const RunConfig& config, const RunShape& run, int stage);

/// All memory of a rank, taken in one order from a planning and then from a real arena.
struct EngineMemory {
  OptimizerMemory optimizer;
  StageMemory stage;
  Tensor loss;  // [1] f64
};

EngineMemory take_engine_memory(const EnginePlan& plan, const OptimizerConfig& optimizer,
                                int num_threads, Arena& arena);

/// The bytes, by category, of take_engine_memory() on `device`; nothing is allocated, and the
/// device need not exist.
Ledger plan_memory(const EnginePlan& plan, const OptimizerConfig& optimizer, Device device,
                   int num_threads);
Ledger plan_memory(const RunConfig& config, const RunShape& run, GridCoordinate at, Device device,
                   int num_threads);

/// What of a rank's memory a checkpoint holds and who writes it; shard and stream are left open.
CheckpointTensors tensors_to_save(const ParamLayout& layout, const OptimizerMemory& memory,
                                  GridCoordinate at);

/// Bytes of host memory that a rank's Snapshot would take for --async-save.
int64_t plan_snapshot(const RunConfig& config, const RunShape& run, GridCoordinate at);

}  // namespace swallow
