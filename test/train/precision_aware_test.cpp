// Training with split masters: exact, half as large, and as deterministic as with whole ones.
#include <catch2/catch.hpp>
#include <cmath>
#include <mutex>

#include "base/split_float.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/tiny_job.h"
#include "support/ranks.h"
#include "support/tiny_model.h"

using namespace swallow;
using test::ScratchFolder;

namespace {

RunConfig bf16_config(bool split) {
  RunConfig config = tiny_config();
  config.training.params_dtype = ParamsDtype::bf16;
  config.optimizer.lr_warmup_iters = 0;
  config.optimizer.use_precision_aware_optimizer = split;
  return config;
}

/// The fp32 masters of an engine's shard, padding left zero, whichever way it keeps them.
std::vector<float> masters(const TrainingEngine& engine, int shard_rank) {
  const OptimizerMemory& m = engine.memory();
  std::vector<float> result(static_cast<size_t>(engine.layout().shard_size()));
  for (const ShardPiece& piece : engine.layout().pieces(shard_rank))
    for (int64_t i = 0; i < piece.size(); ++i)
      result[static_cast<size_t>(piece.shard + i)] =
          m.master.dtype == DType::u16 ? join_float({m.params.as<bfloat16>()[piece.flat + i].bits,
                                                     m.master.as<uint16_t>()[piece.shard + i]})
                                       : m.master.as<float>()[piece.shard + i];
  return result;
}

/// All parameters, once they are gathered.
std::vector<bfloat16> params(TrainingEngine& engine) {
  const Tensor flat = engine.checkpoint_tensors().params;
  return {flat.as<bfloat16>(), flat.as<bfloat16>() + flat.numel()};
}

struct RankState {
  std::vector<float> masters;
  std::vector<bfloat16> params;
};

/// What each rank holds after one step.
std::vector<RankState> after_one_step(RunConfig config, GridShape grid) {
  config.parallel.tensor_model_parallel_size = grid.tp;
  config.parallel.pipeline_model_parallel_size = grid.pp;
  const RunShape run = resolve(config, grid.world_size());
  std::vector<RankState> states(static_cast<size_t>(grid.world_size()));
  run_ranks(grid, [&](World& world) {
    Stream stream{Device{}};
    TrainingEngine engine(config, run, stream, world);
    engine.initialise();
    engine.train_step(tiny_loader(config, run, world.at.dp, 0), 0);
    states[static_cast<size_t>(world.rank)] = {masters(engine, world.at.dp), params(engine)};
  });
  return states;
}

void require_same_run(const TinyRun& got, const TinyRun& want) {
  for (size_t i = 0; i < want.steps.size(); ++i) {
    INFO("step " << i);
    REQUIRE(got.steps.at(i).loss == want.steps[i].loss);
    REQUIRE(got.steps[i].grad_norm == want.steps[i].grad_norm);
  }
  REQUIRE(got.valid_loss == want.valid_loss);
  REQUIRE(got.params == want.params);
}

}  // namespace

TEST_CASE("a step's masters have the same bits split or whole", "[ranks]") {
  for (const GridShape grid : {GridShape{1, 1, 1}, GridShape{2, 2, 1}}) {
    const auto whole = after_one_step(bf16_config(false), grid);
    const auto split = after_one_step(bf16_config(true), grid);
    for (size_t rank = 0; rank < whole.size(); ++rank) {
      INFO("rank " << rank << " of " << whole.size());
      REQUIRE((split[rank].masters == whole[rank].masters));
      // Masters moved off the grid of bf16: the low bits were at work.
      int64_t with_low_bits = 0;
      for (const float w : whole[rank].masters) with_low_bits += split_float(w).low != 0 ? 1 : 0;
      REQUIRE(with_low_bits > static_cast<int64_t>(whole[rank].masters.size()) / 2);
      int64_t ties = 0;
      for (size_t i = 0; i < whole[rank].params.size(); ++i)
        ties += split[rank].params[i] == whole[rank].params[i] ? 0 : 1;
      REQUIRE(ties < 100);  // one in 2^17 is expected, of some 10^5
    }
  }
}

TEST_CASE("with split masters neither sharding, buckets nor stages change a bit", "[ranks]") {
  constexpr int kSteps = 4;
  RunConfig config = bf16_config(true);
  const TinyRun one = run_tiny(config, {1, 1, 1}, kSteps);
  require_same_run(run_tiny(config, {1, 1, 1}, kSteps), one);
  require_same_run(run_tiny(config, {1, 1, 2}, kSteps), one);
  const TinyRun sharded = run_tiny(config, {2, 2, 1}, kSteps);
  config.parallel.ddp_bucket_size = 5'000;
  require_same_run(run_tiny(config, {2, 2, 1}, kSteps), sharded);
  config.parallel.use_distributed_optimizer = false;
  require_same_run(run_tiny(config, {2, 2, 1}, kSteps), sharded);
}

TEST_CASE("split masters learn as whole ones within the rounding of bf16", "[ranks]") {
  const TinyRun whole = run_tiny(bf16_config(false), {1, 1, 1}, 8);
  const TinyRun split = run_tiny(bf16_config(true), {1, 1, 1}, 8);
  REQUIRE(split.steps[0].loss == whole.steps[0].loss);
  for (size_t i = 0; i < whole.steps.size(); ++i) {
    INFO("step " << i << ": loss " << split.steps[i].loss << " and " << whole.steps[i].loss);
    REQUIRE(std::abs(split.steps[i].loss - whole.steps[i].loss) < 2e-2);
  }
}

TEST_CASE("a split master takes two bytes a parameter less in the ledger", "[unit]") {
  for (const bool sharded : {false, true}) {
    RunConfig config = bf16_config(false);
    config.parallel.use_distributed_optimizer = sharded;
    const RunShape run = resolve(config, 2);
    const Ledger whole = plan_memory(config, run, {}, Device{}, 1);
    config.optimizer.use_precision_aware_optimizer = true;
    const Ledger split = plan_memory(config, run, {}, Device{}, 1);
    const ParamLayout layout(param_specs(make_shapes(config, run, {})), sharded ? 2 : 1,
                             config.parallel.ddp_bucket_size);
    for (size_t i = 0; i < whole.rows().size(); ++i) {
      const auto& [category, bytes] = whole.rows()[i];
      INFO(category);
      REQUIRE(split.rows()[i].second ==
              bytes - (category == "optimizer" ? 2 * layout.shard_size() : 0));
    }
  }
}

TEST_CASE("ranks that load whole masters split agree about every parameter", "[ranks]") {
  const ScratchFolder folder;
  const auto tie = [](int64_t i) {
    return std::bit_cast<float>(static_cast<uint32_t>(0x3f80 + i % 64) << 16U | 0x8000U);
  };
  RunConfig config = bf16_config(false);
  config.model.vocab_size = 64;  // no padding, which would be loaded as zero
  const RunShape run = resolve(config, 2);
  run_ranks({2, 1, 1}, [&](World& world) {
    Stream stream{Device{}};
    TrainingEngine engine(config, run, stream, world);
    const OptimizerMemory& m = engine.memory();
    for (int64_t i = 0; i < m.params.numel(); ++i) m.params.as<bfloat16>()[i] = bfloat16(tie(i));
    for (const ShardPiece& piece : engine.layout().pieces(world.at.dp))
      for (int64_t i = 0; i < piece.size(); ++i)
        m.master.as<float>()[piece.shard + i] = tie(piece.flat + i);
    save_checkpoint(folder / "run", {.iteration = 1, .dp = 2}, engine.checkpoint_tensors(),
                    *world.control);
  });
  config.optimizer.use_precision_aware_optimizer = true;
  std::vector<int> good(2);
  run_ranks({2, 1, 1}, [&](World& world) {
    Stream stream{Device{}};
    TrainingEngine engine(config, run, stream, world);
    load_checkpoint(folder / "run", 1, LoadScope::everything, engine.checkpoint_tensors(),
                    *world.control);
    engine.gather_params();
    const std::vector<bfloat16> loaded = params(engine);
    bool same = true;
    for (size_t i = 0; i < engine.layout().specs().size(); ++i)
      for (int64_t at = engine.layout().param(i).begin; at < engine.layout().param(i).end; ++at)
        same = same && loaded[static_cast<size_t>(at)].bits == split_float(tie(at)).bf16;
    const std::vector<float> joined = masters(engine, world.at.dp);
    for (const ShardPiece& piece : engine.layout().pieces(world.at.dp))
      for (int64_t i = 0; i < piece.size(); ++i)
        same = same && joined[static_cast<size_t>(piece.shard + i)] == tie(piece.flat + i);
    good[static_cast<size_t>(world.rank)] = same ? 1 : 0;
  });
  REQUIRE(good == std::vector<int>{1, 1});
}
