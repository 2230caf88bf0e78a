#include "train/engine.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace swallow {

namespace {

LrSchedule make_lr_schedule(const OptimizerConfig& optimizer, const RunShape& run) {
  return {optimizer.lr, optimizer.min_lr, optimizer.lr_warmup_iters, run.lr_decay_iters,
          optimizer.lr_decay_style};
}

}  // namespace

TrainingEngine::TrainingEngine(const RunConfig& config, const RunShape& run, Stream& stream,
                               const World& world)
    : config_(config),
      run_(run),
      stream_(stream),
      world_(world),
      plan_(plan_engine(config, run, world.at)),
      lr_(make_lr_schedule(config.optimizer, run)),
      arena_(stream.device(),
             plan_memory(plan_, config.optimizer, stream.device(), stream.num_threads())),
      memory_(take_engine_memory(plan_, config.optimizer, stream.num_threads(), arena_)),
      clock_(stream.device()),
      stage_(plan_.shapes, memory_.stage,
             bind_params(plan_.shapes, param_views(plan_.layout, memory_.optimizer.params)),
             bind_params(plan_.shapes, param_views(plan_.layout, memory_.optimizer.gradients)),
             stream, *world.tp),
      executor_(stage_, stream, *world.pp, clock_),
      optimizer_(plan_.layout, memory_.optimizer, config.optimizer, plan_.shapes.sequence_parallel,
                 stream, world, clock_),
      cancel_(world) {
  arena_.seal();
}

void TrainingEngine::initialise() {
  zero(stream_, memory_.optimizer.params);  // padding has no initial values of its own
  const auto views = param_views(plan_.layout, memory_.optimizer.params);
  for (size_t i = 0; i < views.size(); ++i) initialise(plan_.layout.specs()[i], views[i]);
  optimizer_.reset_master();
}

void TrainingEngine::initialise(const ParamSpec& spec, const Tensor& param) {
  const auto seed = static_cast<uint64_t>(config_.training.seed);
  // In place where that can be: a second copy of the embedding would be the peak of the whole run.
  if (param.device.kind == DeviceKind::cpu) return init_param(spec, param, seed);
  const Buffer host(Device{}, param.bytes());
  const Tensor values{host.data(), param.dtype, param.shape, Device{}};
  init_param(spec, values, seed);
  copy(stream_, param, values);
  world_.synchronize(stream_);
}

StepResult TrainingEngine::train_step(const LoadMicrobatch& load, int64_t steps_done,
                                      const Votes& votes) {
  const Timeline::Span span(clock_.timeline, Track::host, "training step", stream_);
  const int64_t num_tokens = config_.training.global_batch_size * plan_.shapes.sequence;
  optimizer_.zero_gradients(ParamOrder(plan_.shapes).embedding_end);
  // The one place where the mean over tokens enters the gradients.
  executor_.run(plan_.schedule, load, 1.0 / static_cast<double>(num_tokens), optimizer_);
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
  return reduce_loss(num_microbatches * run_.dp * plan_.shapes.batch * plan_.shapes.sequence);
}

double TrainingEngine::reduce_loss(int64_t num_tokens) {
  const Timeline::Span span(clock_.timeline, Track::compute, "loss", stream_);
  copy(stream_, memory_.loss, stage_.loss_sum());
  zero(stream_, stage_.loss_sum());
  // Only the last stage has losses; it sums them over the data-parallel group and tells the others.
  clock_.stalls.begin(stream_);
  if (plan_.shapes.has_head) world_.dp->all_reduce(stream_, memory_.loss, ReduceOp::sum);
  world_.pp->broadcast(stream_, memory_.loss, run_.pp - 1);
  clock_.stalls.end(stream_);
  double loss = 0;
  copy(stream_, host_view(std::span(&loss, 1)), memory_.loss);
  world_.synchronize(stream_);
  return loss / static_cast<double>(num_tokens);
}

Waits TrainingEngine::waits() {
  Waits waits{.data = clock_.data_seconds};
  if (stream_.device().kind == DeviceKind::cuda)
    waits.ranks = clock_.stalls.seconds();
  else if (world_.calls)
    waits.ranks = world_.calls->waited_seconds();
  return waits;
}

void TrainingEngine::reserve_timeline(int64_t steps) {
  constexpr size_t kOthers = 8;              // the step, its loss, the norm, ...
  constexpr size_t kMost = size_t{1} << 17;  // more than a picture is of use for
  // A forward pass is two spans, with its loading; a bucket is reduced and gathered.
  const size_t each = 2 * plan_.schedule.steps.size() + 2 * plan_.layout.buckets().size() + kOthers;
  clock_.timeline.reserve(std::min(each * static_cast<size_t>(steps), kMost));
}

CheckpointTensors TrainingEngine::checkpoint_tensors() {
  optimizer_.before_reading(plan_.layout.specs().size());
  CheckpointTensors tensors = tensors_to_save(plan_.layout, memory_.optimizer, world_.at);
  tensors.shard_rank = optimizer_.shard_rank();
  tensors.stream = &stream_;
  return tensors;
}

}  // namespace swallow
