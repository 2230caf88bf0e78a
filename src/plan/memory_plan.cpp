#include "plan/memory_plan.h"

#include <utility>

#include "checkpoint/snapshot.h"

namespace swallow {

ParamLayout plan_layout(const RunConfig& config, const RunShape& run, const ModelShapes& shapes) {
  const int shards = config.parallel.use_distributed_optimizer ? run.dp : 1;
  return {param_specs(shapes), shards, config.parallel.ddp_bucket_size};
}

Schedule plan_schedule(const RunConfig& config, const RunShape& run, int stage) {
  const bool all_first = config.parallel.pipeline_schedule == PipelineSchedule::gpipe;
  return (all_first ? gpipe : one_forward_one_backward)(stage, run.pp, run.num_microbatches);
}

EnginePlan plan_engine(const RunConfig& config, const RunShape& run, GridCoordinate at) {
  const ModelShapes shapes = make_shapes(config, run, at);
  return {shapes, plan_layout(config, run, shapes), plan_schedule(config, run, at.pp)};
}

EngineMemory take_engine_memory(const EnginePlan& plan, const OptimizerConfig& optimizer,
                                int num_threads, Arena& arena) {
  return {take_optimizer_memory(plan.layout, plan.shapes, optimizer, arena),
          take_stage_memory(plan.shapes, plan.schedule.num_slots, num_threads, arena),
          arena.take("scratch", DType::f64, {1})};
}

Ledger plan_memory(const EnginePlan& plan, const OptimizerConfig& optimizer, Device device,
                   int num_threads) {
  Arena arena = Arena::plan(device);
  take_engine_memory(plan, optimizer, num_threads, arena);
  return arena.ledger();
}

Ledger plan_memory(const RunConfig& config, const RunShape& run, GridCoordinate at, Device device,
                   int num_threads) {
  return plan_memory(plan_engine(config, run, at), config.optimizer, device, num_threads);
}

CheckpointTensors tensors_to_save(const ParamLayout& layout, const OptimizerMemory& memory,
                                  GridCoordinate at) {
  return {.layout = &layout,
          .writes_params = at.dp == 0,
          .writes_state = layout.shards() > 1 || at.dp == 0,
          .writes_replicated = at.tp == 0,
          .params = memory.params,
          .master = memory.master,
          .exp_avg = memory.exp_avg,
          .exp_avg_sq = memory.exp_avg_sq};
}

int64_t plan_snapshot(const RunConfig& config, const RunShape& run, GridCoordinate at) {
  const ModelShapes shapes = make_shapes(config, run, at);
  const ParamLayout layout = plan_layout(config, run, shapes);
  Arena arena = Arena::plan(Device{});
  const OptimizerMemory memory = take_optimizer_memory(layout, shapes, config.optimizer, arena);
  return Snapshot::bytes(tensors_to_save(layout, memory, at));
}

}  // namespace swallow
