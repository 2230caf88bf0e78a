#include "train/engine.h"

#include <cmath>
#include <span>

#include "base/math.h"
#include "checkpoint/snapshot.h"

namespace swallow {

namespace {

ParamLayout make_layout(const RunConfig& config, const RunShape& run, const ModelShapes& shapes) {
  const int shards = config.parallel.use_distributed_optimizer ? run.dp : 1;
  return {param_specs(shapes), shards, config.parallel.ddp_bucket_size};
}

Schedule make_schedule(const RunConfig& config, const RunShape& run, int stage) {
  const bool all_first = config.parallel.pipeline_schedule == PipelineSchedule::gpipe;
  return (all_first ? gpipe : one_forward_one_backward)(stage, run.pp, run.num_microbatches);
}

LrSchedule make_lr_schedule(const OptimizerConfig& optimizer, const RunShape& run) {
  return {optimizer.lr, optimizer.min_lr, optimizer.lr_warmup_iters, run.lr_decay_iters,
          optimizer.lr_decay_style};
}

EngineMemory take_engine_memory(const ParamLayout& layout, const ModelShapes& shapes,
                                const OptimizerConfig& optimizer, int num_slots, int num_threads,
                                Arena& arena) {
  return {take_optimizer_memory(layout, shapes, optimizer, arena),
          take_stage_memory(shapes, num_slots, num_threads, arena),
          arena.take("scratch", DType::f64, {1})};
}

Ledger plan(const ParamLayout& layout, const ModelShapes& shapes, const OptimizerConfig& optimizer,
            int num_slots, Device device, int num_threads) {
  Arena arena = Arena::plan(device);
  take_engine_memory(layout, shapes, optimizer, num_slots, num_threads, arena);
  return arena.ledger();
}

/// Who writes what, without the shard and the stream.
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

}  // namespace

TrainingEngine::TrainingEngine(const RunConfig& config, const RunShape& run, Stream& stream,
                               const World& world)
    : config_(config),
      run_(run),
      stream_(stream),
      world_(world),
      shapes_(make_shapes(config, run, world.at)),
      layout_(make_layout(config, run, shapes_)),
      schedule_(make_schedule(config, run, world.at.pp)),
      lr_(make_lr_schedule(config.optimizer, run)),
      arena_(stream.device(), plan(layout_, shapes_, config.optimizer, schedule_.num_slots,
                                   stream.device(), stream.num_threads())),
      memory_(take_engine_memory(layout_, shapes_, config.optimizer, schedule_.num_slots,
                                 stream.num_threads(), arena_)),
      stage_(shapes_, memory_.stage,
             bind_params(shapes_, param_views(layout_, memory_.optimizer.params)),
             bind_params(shapes_, param_views(layout_, memory_.optimizer.gradients)), stream,
             *world.tp),
      executor_(stage_, stream, *world.pp),
      optimizer_(layout_, memory_.optimizer, config.optimizer, shapes_.sequence_parallel, stream,
                 world),
      cancel_(world) {
  arena_.seal();
}

void TrainingEngine::initialise() {
  const auto views = param_views(layout_, memory_.optimizer.params);
  for (size_t i = 0; i < views.size(); ++i) {
    const Buffer host(Device{}, views[i].bytes());
    const Tensor values{host.data(), views[i].dtype, views[i].shape, Device{}};
    init_param(layout_.specs()[i], values, static_cast<uint64_t>(config_.training.seed));
    copy(stream_, views[i], values);
    world_.synchronize(stream_);
  }
  optimizer_.reset_master();
}

StepResult TrainingEngine::train_step(const LoadMicrobatch& load, int64_t steps_done,
                                      const Votes& votes) {
  const TraceRange range("training step");
  const int64_t num_tokens = config_.training.global_batch_size * shapes_.sequence;
  optimizer_.zero_gradients();
  // The one place where the mean over tokens enters the gradients.
  executor_.run(schedule_, load, 1.0 / static_cast<double>(num_tokens), optimizer_);
  optimizer_.reduce_gradients();

  StepResult result;
  result.loss = reduce_loss(num_tokens);
  const NormAndVotes norm = optimizer_.gradient_norm(votes);
  result.grad_norm = norm.norm;
  result.stop = norm.votes_stop > 0;
  result.finish = norm.votes_finish > 0;
  result.saved = norm.votes_saved == world_.grid.world_size();
  result.lr = lr_.at(steps_done);
  result.updated = std::isfinite(result.loss) && std::isfinite(result.grad_norm);
  if (result.updated)
    optimizer_.step(result.lr, clip_factor(result.grad_norm, config_.optimizer.clip_grad),
                    steps_done + 1);
  return result;
}

double TrainingEngine::evaluate(const LoadMicrobatch& load, int64_t num_microbatches) {
  executor_.run(forward_only(world_.at.pp, run_.pp, num_microbatches), load, 1.0, optimizer_);
  return reduce_loss(num_microbatches * run_.dp * shapes_.batch * shapes_.sequence);
}

double TrainingEngine::reduce_loss(int64_t num_tokens) {
  copy(stream_, memory_.loss, stage_.loss_sum());
  zero(stream_, stage_.loss_sum());
  // Only the last stage has losses; it sums them over the data-parallel group and tells the others.
  if (shapes_.has_head) world_.dp->all_reduce(stream_, memory_.loss, ReduceOp::sum);
  world_.pp->broadcast(stream_, memory_.loss, run_.pp - 1);
  double loss = 0;
  copy(stream_, host_view(std::span(&loss, 1)), memory_.loss);
  world_.synchronize(stream_);
  return loss / static_cast<double>(num_tokens);
}

CheckpointTensors TrainingEngine::checkpoint_tensors() {
  optimizer_.before_reading(layout_.specs().size());
  CheckpointTensors tensors = tensors_to_save(layout_, memory_.optimizer, world_.at);
  tensors.shard_rank = optimizer_.shard_rank();
  tensors.stream = &stream_;
  return tensors;
}

Ledger plan_memory(const RunConfig& config, const RunShape& run, GridCoordinate at, Device device,
                   int num_threads) {
  const ModelShapes shapes = make_shapes(config, run, at);
  return plan(make_layout(config, run, shapes), shapes, config.optimizer,
              make_schedule(config, run, at.pp).num_slots, device, num_threads);
}

int64_t plan_snapshot(const RunConfig& config, const RunShape& run, GridCoordinate at) {
  const ModelShapes shapes = make_shapes(config, run, at);
  const ParamLayout layout = make_layout(config, run, shapes);
  Arena arena = Arena::plan(Device{});
  const OptimizerMemory memory = take_optimizer_memory(layout, shapes, config.optimizer, arena);
  return Snapshot::bytes(tensors_to_save(layout, memory, at));
}

}  // namespace swallow
