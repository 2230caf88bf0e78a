// The hand-written backward pass against finite differences, in f64, for whole models.
#include <catch2/catch.hpp>
#include <cmath>

#include "base/philox.h"
#include "support/ranks.h"
#include "support/tiny_model.h"

using namespace swallow;

namespace {

struct Mismatch {
  std::string where;
  double analytic = 0;
  double numeric = 0;
};

RunConfig gradient_config(bool sequence_parallel, Recompute recompute) {
  RunConfig config = tiny_config();
  config.model.num_layers = 2;
  config.training.params_dtype = ParamsDtype::fp64;
  config.training.global_batch_size = 2;
  config.training.recompute_granularity = recompute;
  config.parallel.sequence_parallel = sequence_parallel;
  config.optimizer.lr = 0;  // a step that leaves the weights as they are
  config.optimizer.min_lr = 0;
  config.optimizer.weight_decay = 0;
  return config;
}

/// Weights large enough that every part of the model matters to the loss.
void spread_weights(const TrainingEngine& engine) {
  const auto views = param_views(engine.layout(), engine.memory().params);
  for (const Tensor& view : views)
    for (int64_t i = 0; i < view.numel(); ++i)
      if (std::abs(view.as<double>()[i] - 1.0) > 1e-12) view.as<double>()[i] *= 8;
}

double loss_with(TrainingEngine& engine, const LoadMicrobatch& load, double* element,
                 double shift) {
  if (element != nullptr) *element += shift;
  const double loss = engine.evaluate(load, 2);
  if (element != nullptr) *element -= shift;
  return loss;
}

/// Central differences at a few elements of every parameter of every tensor-parallel rank.
std::vector<Mismatch> compare(const RunConfig& config, GridShape grid) {
  RunConfig split = config;
  split.parallel.tensor_model_parallel_size = grid.tp;
  const RunShape run = resolve(split, grid.world_size());
  std::vector<Mismatch> mismatches;
  run_ranks(grid, [&](World& world) {
    Stream stream{Device{}};
    TrainingEngine engine(split, run, stream, world);
    engine.initialise();
    spread_weights(engine);
    engine.reset_master();
    const LoadMicrobatch load = tiny_loader(split, run, 0, 0);
    engine.train_step(load, 0);
    const auto weights = param_views(engine.layout(), engine.memory().params);
    const auto gradients = param_views(engine.layout(), engine.memory().gradients);
    constexpr double kShift = 1e-5;
    for (int owner = 0; owner < grid.tp; ++owner)
      for (size_t i = 0; i < weights.size(); ++i)
        for (uint32_t probe = 0; probe < 3; ++probe) {
          const auto element =
              static_cast<int64_t>(philox({probe, static_cast<uint32_t>(i), 0, 0}, {5, 5})[0] %
                                   static_cast<uint64_t>(weights[i].numel()));
          const bool moves = owner == world.at.tp || engine.layout().specs()[i].replicated;
          double* target = moves ? weights[i].as<double>() + element : nullptr;
          const double numeric =
              (loss_with(engine, load, target, kShift) - loss_with(engine, load, target, -kShift)) /
              (2 * kShift);
          const double analytic = gradients[i].as<double>()[element];
          // Truncation is of order shift^2 = 1e-10, rounding of order 1e-16 / shift = 1e-11.
          if (owner == world.at.tp &&
              std::abs(numeric - analytic) > 1e-8 + 1e-6 * std::abs(analytic))
            mismatches.push_back(
                {fmt::format("tp rank {} parameter {} element {}", owner, i, element), analytic,
                 numeric});
        }
  });
  return mismatches;
}

void require_no_mismatch(const std::vector<Mismatch>& mismatches) {
  for (const Mismatch& m : mismatches) {
    INFO(m.where << ": analytic " << m.analytic << " numeric " << m.numeric);
    CHECK(false);
  }
  REQUIRE(mismatches.empty());
}

}  // namespace

TEST_CASE("gradients of the whole model match finite differences on one rank", "[unit]") {
  for (const auto recompute : {Recompute::none, Recompute::selective, Recompute::full})
    require_no_mismatch(compare(gradient_config(false, recompute), {1, 1, 1}));
}

TEST_CASE("gradients match finite differences under tensor parallelism", "[ranks]") {
  require_no_mismatch(compare(gradient_config(false, Recompute::none), {1, 2, 1}));
}

TEST_CASE("gradients match finite differences under sequence parallelism", "[ranks]") {
  require_no_mismatch(compare(gradient_config(true, Recompute::none), {1, 2, 1}));
}
