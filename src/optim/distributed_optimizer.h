// AdamW over flat buffers whose state is sharded over the data-parallel group (ZeRO stage 1:
// Rajbhandari et al., arXiv 1910.02054): gradients are reduce-scattered, each rank updates the
// master weights it owns, and the new parameters are all-gathered. Without sharding the same code
// is plain data parallelism: gradients are all-reduced and every rank updates everything, with the
// same bits.
#pragma once

#include <cstdint>

#include "comm/world.h"
#include "config/run_config.h"
#include "device/step_clock.h"
#include "model/shapes.h"
#include "optim/param_layout.h"
#include "tensor/arena.h"

namespace swallow {

constexpr int kNumVotes = 3;  // see Votes

struct OptimizerMemory {
  Tensor params;      // [total] activation type; the model's weights are views of it
  Tensor gradients;   // [total] main type; views likewise
  Tensor master;      // [shard_size] main type, or u16 when split: see optim/master_weights.h
  Tensor exp_avg;     // [shard_size] main type, first moment
  Tensor exp_avg_sq;  // [shard_size] main type, second moment
  Tensor norm_sum;    // [ExactSum::kLimbs + kNumVotes] i64, the last ones counting votes
};

OptimizerMemory take_optimizer_memory(const ParamLayout& layout, const ModelShapes& shapes,
                                      const OptimizerConfig& config, Arena& arena);

/// One view per parameter into a flat buffer, in the order of layout.specs().
std::vector<Tensor> param_views(const ParamLayout& layout, const Tensor& flat);

/// What a rank may say to all others in a step without a message of its own.
struct Votes {
  bool stop = false;    // this step shall be the last, for now
  bool finish = false;  // this step shall be the last, for good
  bool saved = false;   // the file of the save in the background is written
};

struct NormAndVotes {
  double norm = 0;           // NaN when an element anywhere is not finite
  int64_t votes_stop = 0;    // ranks that said so
  int64_t votes_finish = 0;  // likewise
  int64_t votes_saved = 0;   // likewise
};

/// What of the training step goes on between the pipeline and the next forward pass. As the
/// observer of the stage it hides its communication: a bucket of gradients is reduced as soon as it
/// is complete, behind the rest of the last backward pass, and a bucket of parameters is gathered
/// behind the layers before it in the next forward pass.
class DistributedOptimizer final : public ParamObserver {
 public:
  /// layout.shards() is the data-parallel size or 1. `clock` is told of what goes on and of the
  /// stream's waits for other ranks. All arguments outlive the optimizer.
  DistributedOptimizer(const ParamLayout& layout, OptimizerMemory memory,
                       const OptimizerConfig& config, bool sequence_parallel, Stream& stream,
                       const World& world, StepClock& clock);

  /// Which shard of the state this rank holds.
  [[nodiscard]] int shard_rank() const noexcept;
  [[nodiscard]] const OptimizerMemory& memory() const noexcept { return memory_; }

  /// Master weights from the parameters, after these were initialised.
  void reset_master();
  /// Starts to gather the parameters of all shards (see before_reading), as step() does: to be
  /// called after they were loaded, when a shard may differ from what other ranks hold of it.
  void gather_params();
  /// Before a step: of the parameters before `end`; the first micro-batch overwrites the others.
  void zero_gradients(size_t end);
  /// Waits, on the stream, for the parameters that are still being gathered.
  void before_reading(size_t end) override;
  /// Starts to sum the buckets that are complete over the data-parallel group.
  void gradients_complete(size_t begin) override;
  /// Sums what is left: the gradients of norm weights, first over the tensor-parallel group under
  /// sequence parallelism, then over the data-parallel group. Work launched afterwards on the
  /// stream sees the sums of this rank's shard.
  void reduce_gradients();
  /// Euclidean norm of the whole model's gradient, the same bits on every rank. Parameters that
  /// several ranks hold are counted once. The reduction also counts the votes of the ranks.
  NormAndVotes gradient_norm(const Votes& votes);
  /// One AdamW step with `grad_scale` as clip factor; then the parameters of all shards are
  /// gathered while the caller goes on (see before_reading). `step` counts updates from 1.
  void step(double lr, double grad_scale, int64_t step);

 private:
  [[nodiscard]] bool counts_for_norm(const ShardPiece& piece) const;
  void reduce_bucket(const FlatRange& bucket);
  void update(const ShardPiece& piece, double lr, double grad_scale, int64_t step);
  void gather_bucket(size_t bucket);

  const ParamLayout& layout_;
  OptimizerMemory memory_;
  const OptimizerConfig& config_;
  bool sequence_parallel_;
  Stream& stream_;
  const World& world_;
  StepClock& clock_;
  std::vector<ShardPiece> pieces_;
  Stream dp_stream_;             // collectives over the data-parallel group
  Event produced_;               // what a collective must wait for
  Event reduced_;                // after the last reduction
  std::vector<Event> gathered_;  // by bucket
  size_t num_unreduced_ = 0;     // buckets, from the first, whose reduction has not begun
  size_t num_awaited_ = 0;       // buckets, from the first, whose gathering the stream waits for
};

/// The factor that brings a gradient of norm `norm` to at most `clip` (0: no clipping), as
/// Megatron: clip / (norm + 1e-6) where that is below one.
double clip_factor(double norm, double clip);

}  // namespace swallow
