#include "optim/distributed_optimizer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "base/exact_sum.h"
#include "kernels/adamw.h"
#include "kernels/reduce.h"
#include "optim/master_weights.h"

namespace swallow {

namespace {

constexpr int kNormLimbs = ExactSum::kLimbs + kNumVotes;

}  // namespace

OptimizerMemory take_optimizer_memory(const ParamLayout& layout, const ModelShapes& m,
                                      const OptimizerConfig& config, Arena& arena) {
  const Shape whole = {layout.total()};
  const Shape shard = {layout.shard_size()};
  OptimizerMemory memory;
  memory.params = arena.take("weights", m.dtype, whole);
  memory.gradients = arena.take("gradients", m.main_dtype, whole);
  memory.master = arena.take(
      "optimizer", config.use_precision_aware_optimizer ? DType::u16 : m.main_dtype, shard);
  memory.exp_avg = arena.take("optimizer", m.main_dtype, shard);
  memory.exp_avg_sq = arena.take("optimizer", m.main_dtype, shard);
  memory.norm_sum = arena.take("optimizer", DType::i64, {kNormLimbs});
  return memory;
}

std::vector<Tensor> param_views(const ParamLayout& layout, const Tensor& flat) {
  std::vector<Tensor> views;
  for (size_t i = 0; i < layout.specs().size(); ++i) {
    const FlatRange range = layout.param(i);
    views.push_back(flat.rows(range.begin, range.end).view(layout.specs()[i].shape));
  }
  return views;
}

DistributedOptimizer::DistributedOptimizer(const ParamLayout& layout, OptimizerMemory memory,
                                           const OptimizerConfig& config, bool sequence_parallel,
                                           Stream& stream, const World& world, StepClock& clock)
    : layout_(layout),
      memory_(memory),
      config_(config),
      sequence_parallel_(sequence_parallel),
      stream_(stream),
      world_(world),
      clock_(clock),
      pieces_(layout.pieces(shard_rank())),
      dp_stream_(stream.device(), stream.num_threads()),
      produced_(stream.device()),
      reduced_(stream.device()),
      num_awaited_(layout.buckets().size()) {
  for (size_t i = 0; i < layout.buckets().size(); ++i) gathered_.emplace_back(stream.device());
  SWALLOW_CHECK(layout.shards() == 1 || layout.shards() == world.dp->size(),
                "{} shards for {} data-parallel ranks", layout.shards(), world.dp->size());
}

int DistributedOptimizer::shard_rank() const noexcept {
  return layout_.shards() == 1 ? 0 : world_.at.dp;
}

void DistributedOptimizer::reset_master() {
  master_from_params(stream_, layout_, shard_rank(), memory_.params, memory_.master);
}

void DistributedOptimizer::gather_params() {
  if (layout_.shards() == 1) return;
  for (size_t bucket = 0; bucket < layout_.buckets().size(); ++bucket) gather_bucket(bucket);
  num_awaited_ = 0;
}

void DistributedOptimizer::zero_gradients(size_t end) {
  zero(stream_, memory_.gradients.rows(0, layout_.param(end - 1).end));
  num_unreduced_ = layout_.buckets().size();
}

void DistributedOptimizer::before_reading(size_t end) {
  const int64_t flat_end = layout_.param(end - 1).end;
  const std::vector<FlatRange>& buckets = layout_.buckets();
  const auto is_awaited = [&] {
    return num_awaited_ == buckets.size() || buckets[num_awaited_].begin >= flat_end;
  };
  if (is_awaited()) return;
  clock_.stalls.begin(stream_);
  for (; !is_awaited(); ++num_awaited_) stream_.wait(gathered_[num_awaited_]);
  clock_.stalls.end(stream_);
}

void DistributedOptimizer::gradients_complete(size_t begin) {
  if (world_.dp->size() == 1) return;
  const int64_t flat_begin = layout_.param(begin).begin;
  const std::vector<FlatRange>& buckets = layout_.buckets();
  if (num_unreduced_ == 0 || buckets[num_unreduced_ - 1].begin < flat_begin) return;
  clock_.stalls.begin(
      stream_);  // where calls go through the host, the stream has no work meanwhile
  produced_.record(stream_);
  dp_stream_.wait(produced_);
  for (; num_unreduced_ > 0 && buckets[num_unreduced_ - 1].begin >= flat_begin; --num_unreduced_)
    reduce_bucket(buckets[num_unreduced_ - 1]);
  clock_.stalls.end(stream_);
}

void DistributedOptimizer::reduce_bucket(const FlatRange& bucket) {
  const bool sharded = layout_.shards() > 1;
  const Timeline::Span span(clock_.timeline, Track::data, sharded ? "reduce-scatter" : "all-reduce",
                            dp_stream_);
  const Tensor whole = memory_.gradients.rows(bucket.begin, bucket.end);
  if (!sharded) return world_.dp->all_reduce(dp_stream_, whole, ReduceOp::sum);
  const FlatRange own = layout_.shard_of_bucket(bucket, shard_rank());
  world_.dp->reduce_scatter(dp_stream_, memory_.gradients.rows(own.begin, own.end), whole);
}

void DistributedOptimizer::reduce_gradients() {
  const Timeline::Span span(clock_.timeline, Track::compute, "reduce gradients", stream_);
  // Under sequence parallelism each tensor-parallel rank saw its part of the sequence only.
  const FlatRange replicated = layout_.replicated();
  if (sequence_parallel_ && replicated.size() > 0)
    world_.tp->all_reduce(stream_, memory_.gradients.rows(replicated.begin, replicated.end),
                          ReduceOp::sum);
  gradients_complete(0);
  clock_.stalls.begin(stream_);
  reduced_.record(dp_stream_);
  stream_.wait(reduced_);
  clock_.stalls.end(stream_);
}

bool DistributedOptimizer::counts_for_norm(const ShardPiece& piece) const {
  if (layout_.shards() == 1 && world_.at.dp != 0) return false;
  return !layout_.specs()[static_cast<size_t>(piece.param)].replicated || world_.at.tp == 0;
}

NormAndVotes DistributedOptimizer::gradient_norm(const Votes& votes) {
  const Timeline::Span span(clock_.timeline, Track::compute, "gradient norm", stream_);
  zero(stream_, memory_.norm_sum);
  const Tensor sum = memory_.norm_sum.rows(0, ExactSum::kLimbs);
  for (const ShardPiece& piece : pieces_)
    if (counts_for_norm(piece))
      launch(stream_, SumSquares{.x = memory_.gradients.rows(piece.flat, piece.flat + piece.size()),
                                 .sum = sum});
  // Carries go by way of the host: the sum over ranks must not overflow a limb.
  std::array<int64_t, kNormLimbs> limbs{};
  const Tensor host = host_view(std::span(limbs));
  copy(stream_, host, memory_.norm_sum);
  world_.synchronize(stream_);
  ExactSum::normalise(limbs.data());
  const std::span<int64_t> ballot = std::span(limbs).last(kNumVotes);
  ballot[0] = votes.stop ? 1 : 0;
  ballot[1] = votes.finish ? 1 : 0;
  ballot[2] = votes.saved ? 1 : 0;
  copy(stream_, memory_.norm_sum, host);
  clock_.stalls.begin(stream_);
  world_.all_reduce_world(stream_, memory_.norm_sum, ReduceOp::sum);
  clock_.stalls.end(stream_);
  copy(stream_, host, memory_.norm_sum);
  world_.synchronize(stream_);
  return {.norm = std::sqrt(ExactSum::value(limbs.data())),
          .votes_stop = ballot[0],
          .votes_finish = ballot[1],
          .votes_saved = ballot[2]};
}

void DistributedOptimizer::step(double lr, double grad_scale, int64_t step) {
  const Timeline::Span span(clock_.timeline, Track::compute, "optimizer step", stream_);
  const std::vector<FlatRange>& buckets = layout_.buckets();
  size_t next_piece = 0;  // both run through the flat buffer in order
  for (size_t bucket = 0; bucket < buckets.size(); ++bucket) {
    for (; next_piece < pieces_.size() && pieces_[next_piece].flat < buckets[bucket].end;
         ++next_piece)
      update(pieces_[next_piece], lr, grad_scale, step);
    if (layout_.shards() > 1) gather_bucket(bucket);
  }
  num_awaited_ = layout_.shards() > 1 ? 0 : buckets.size();
}

void DistributedOptimizer::update(const ShardPiece& piece, double lr, double grad_scale,
                                  int64_t step) {
  const bool decays = layout_.specs()[static_cast<size_t>(piece.param)].weight_decay;
  const auto shard = [&](const Tensor& t) {
    return t.rows(piece.shard, piece.shard + piece.size());
  };
  launch(stream_, AdamW{.grad = memory_.gradients.rows(piece.flat, piece.flat + piece.size()),
                        .master = shard(memory_.master),
                        .exp_avg = shard(memory_.exp_avg),
                        .exp_avg_sq = shard(memory_.exp_avg_sq),
                        .param = memory_.params.rows(piece.flat, piece.flat + piece.size()),
                        .lr = lr,
                        .beta1 = config_.adam_beta1,
                        .beta2 = config_.adam_beta2,
                        .eps = config_.adam_eps,
                        .weight_decay = decays ? config_.weight_decay : 0.0,
                        .grad_scale = grad_scale,
                        .step = step});
}

void DistributedOptimizer::gather_bucket(size_t bucket) {
  const FlatRange& whole = layout_.buckets()[bucket];
  const FlatRange own = layout_.shard_of_bucket(whole, shard_rank());
  clock_.stalls.begin(stream_);  // as in gradients_complete
  produced_.record(stream_);
  dp_stream_.wait(produced_);
  {
    const Timeline::Span span(clock_.timeline, Track::data, "all-gather", dp_stream_);
    world_.dp->all_gather(dp_stream_, memory_.params.rows(whole.begin, whole.end),
                          memory_.params.rows(own.begin, own.end));
  }
  gathered_[bucket].record(dp_stream_);
  clock_.stalls.end(stream_);
}

double clip_factor(double norm, double clip) {
  return clip > 0 ? std::min(1.0, clip / (norm + 1e-6)) : 1.0;
}

}  // namespace swallow
