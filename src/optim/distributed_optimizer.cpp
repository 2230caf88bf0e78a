#include "optim/distributed_optimizer.h"

#include <algorithm>
#include <cmath>

#include "base/exact_sum.h"
#include "kernels/adamw.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"

namespace swallow {

OptimizerMemory take_optimizer_memory(const ParamLayout& layout, const ModelShapes& m,
                                      Arena& arena) {
  const Shape whole = {layout.total()};
  const Shape shard = {layout.shard_size()};
  OptimizerMemory memory;
  memory.params = arena.take("weights", m.dtype, whole);
  memory.gradients = arena.take("gradients", m.main_dtype, whole);
  memory.master = arena.take("optimizer", m.main_dtype, shard);
  memory.exp_avg = arena.take("optimizer", m.main_dtype, shard);
  memory.exp_avg_sq = arena.take("optimizer", m.main_dtype, shard);
  memory.norm_sum = arena.take("optimizer", DType::i64, {ExactSum::kLimbs + 1});
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
                                           Stream& stream, const World& world)
    : layout_(layout),
      memory_(memory),
      config_(config),
      sequence_parallel_(sequence_parallel),
      stream_(stream),
      world_(world),
      pieces_(layout.pieces(shard_rank())) {
  SWALLOW_CHECK(layout.shards() == 1 || layout.shards() == world.dp->size(),
                "{} shards for {} data-parallel ranks", layout.shards(), world.dp->size());
}

int DistributedOptimizer::shard_rank() const noexcept {
  return layout_.shards() == 1 ? 0 : world_.at.dp;
}

void DistributedOptimizer::reset_master() {
  for (const ShardPiece& piece : pieces_)
    launch(stream_, Cast{.x = memory_.params.rows(piece.flat, piece.flat + piece.size()),
                         .y = memory_.master.rows(piece.shard, piece.shard + piece.size())});
}

void DistributedOptimizer::zero_gradients() {
  zero(stream_, memory_.gradients);
}

void DistributedOptimizer::reduce_gradients() {
  // Under sequence parallelism each tensor-parallel rank saw its part of the sequence only.
  const FlatRange replicated = layout_.replicated();
  if (sequence_parallel_ && replicated.size() > 0)
    world_.tp->all_reduce(stream_, memory_.gradients.rows(replicated.begin, replicated.end),
                          ReduceOp::sum);
  if (world_.dp->size() == 1) return;
  for (const FlatRange& bucket : layout_.buckets()) {
    const Tensor whole = memory_.gradients.rows(bucket.begin, bucket.end);
    if (layout_.shards() == 1) {
      world_.dp->all_reduce(stream_, whole, ReduceOp::sum);
    } else {
      const FlatRange own = layout_.shard_of_bucket(bucket, shard_rank());
      world_.dp->reduce_scatter(stream_, memory_.gradients.rows(own.begin, own.end), whole);
    }
  }
}

bool DistributedOptimizer::counts_for_norm(const ShardPiece& piece) const {
  if (layout_.shards() == 1 && world_.at.dp != 0) return false;
  return !layout_.specs()[static_cast<size_t>(piece.param)].replicated || world_.at.tp == 0;
}

NormAndVotes DistributedOptimizer::gradient_norm(bool vote) {
  zero(stream_, memory_.norm_sum);
  const Tensor sum = memory_.norm_sum.rows(0, ExactSum::kLimbs);
  for (const ShardPiece& piece : pieces_)
    if (counts_for_norm(piece))
      launch(stream_, SumSquares{.x = memory_.gradients.rows(piece.flat, piece.flat + piece.size()),
                                 .sum = sum});
  stream_.synchronize();
  auto* limbs = memory_.norm_sum.as<int64_t>();
  ExactSum::normalise(limbs);
  limbs[ExactSum::kLimbs] = vote ? 1 : 0;
  world_.all_reduce_world(stream_, memory_.norm_sum, ReduceOp::sum);
  stream_.synchronize();
  return {std::sqrt(ExactSum::value(limbs)), limbs[ExactSum::kLimbs]};
}

void DistributedOptimizer::step(double lr, double grad_scale, int64_t step) {
  for (const ShardPiece& piece : pieces_) {
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
  if (layout_.shards() == 1) return;
  for (const FlatRange& bucket : layout_.buckets()) {
    const FlatRange own = layout_.shard_of_bucket(bucket, shard_rank());
    world_.dp->all_gather(stream_, memory_.params.rows(bucket.begin, bucket.end),
                          memory_.params.rows(own.begin, own.end));
  }
}

double clip_factor(double norm, double clip) {
  return clip > 0 ? std::min(1.0, clip / (norm + 1e-6)) : 1.0;
}

}  // namespace swallow
