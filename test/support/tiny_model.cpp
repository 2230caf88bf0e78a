#include "support/tiny_model.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <mutex>
#include <stdexcept>

#include "base/philox.h"
#include "support/ranks.h"

namespace swallow {

namespace {

int32_t tiny_token(int64_t sample, int64_t position, int64_t vocab) {
  const PhiloxBlock block =
      philox({static_cast<uint32_t>(sample), static_cast<uint32_t>(position), 0, 0}, {77, 0});
  return static_cast<int32_t>(block[0] % static_cast<uint32_t>(vocab));
}

void require_same(const StepResult& a, const StepResult& b) {
  if (a.loss != b.loss || a.grad_norm != b.grad_norm || a.updated != b.updated)
    throw std::runtime_error("ranks disagree about a step's result");
}

template <class T>
void collect(const ParamSpec& spec, const Tensor& local, CanonicalTensors& whole) {
  const T* data = local.as<T>();
  for (const CanonicalPart& part : spec.parts) {
    auto& out = whole[part.name];
    out.resize(static_cast<size_t>(part.shape.numel()));
    const int64_t stride = part.shape.rank() == 2 ? part.shape[1] : 1;
    const T* in = data + part.local_row * part.columns();
    for (int64_t row = part.row_begin; row < part.row_end; ++row)
      for (int64_t column = part.column_begin; column < part.column_end; ++column)
        out[static_cast<size_t>(row * stride + column)] = convert<double>(*in++);
  }
}

}  // namespace

RunConfig tiny_config() {
  RunConfig config;
  config.model = {.num_layers = 4,
                  .hidden_size = 64,
                  .ffn_hidden_size = 96,
                  .num_attention_heads = 8,
                  .num_query_groups = 4,
                  .vocab_size = 61,
                  .make_vocab_size_divisible_by = 4,
                  .seq_length = 16};
  config.training = {.micro_batch_size = 1,
                     .global_batch_size = 8,
                     .train_iters = 10,
                     .params_dtype = ParamsDtype::fp32};
  config.optimizer = {.lr = 1e-2, .min_lr = 1e-3, .lr_warmup_iters = 2, .clip_grad = 0.5};
  config.data.mock_data = true;
  return config;
}

RunConfig short_run(const std::string& save) {
  RunConfig config = tiny_config();
  config.model.num_layers = 2;
  config.training.train_iters = 6;
  config.optimizer.lr_warmup_iters = 0;
  config.training.eval_iters = 1;
  config.checkpoint.save = save;
  return config;
}

LoadMicrobatch tiny_loader(const RunConfig& config, const RunShape& run, int dp_rank,
                           int64_t step) {
  const int64_t b = config.training.micro_batch_size;
  const int64_t s = config.model.seq_length;
  const int64_t vocab = config.model.vocab_size;
  const int64_t first = step * config.training.global_batch_size;
  return [=](int64_t microbatch, const Tensor& tokens, const Tensor& targets) {
    for (int64_t j = 0; j < b; ++j) {
      const int64_t sample = first + (microbatch * run.dp + dp_rank) * b + j;
      for (int64_t i = 0; i < s; ++i) {
        if (tokens) tokens.as<int32_t>()[i * b + j] = tiny_token(sample, i, vocab);
        if (targets) targets.as<int32_t>()[i * b + j] = tiny_token(sample, i + 1, vocab);
      }
    }
  };
}

void collect_canonical(const ParamLayout& layout, const Tensor& flat, Stream& stream,
                       CanonicalTensors& whole) {
  const Buffer buffer(Device{}, flat.bytes());
  const Tensor host{buffer.data(), flat.dtype, flat.shape, Device{}};
  copy(stream, host, flat);
  stream.synchronize();
  const auto views = param_views(layout, host);
  for (size_t i = 0; i < views.size(); ++i)
    visit_dtype(flat.dtype, [&]<class T>(std::type_identity<T>) {
      collect<T>(layout.specs()[i], views[i], whole);
    });
}

TinyRun run_tiny(RunConfig config, GridShape grid, int num_steps, Device device) {
  config.parallel.tensor_model_parallel_size = grid.tp;
  config.parallel.pipeline_model_parallel_size = grid.pp;
  const RunShape run = resolve(config, grid.world_size());
  TinyRun result;
  std::vector<std::vector<StepResult>> steps(static_cast<size_t>(grid.world_size()));
  std::mutex mutex;
  run_ranks(grid, device, [&](World& world) {
    Stream stream{device};
    TrainingEngine engine(config, run, stream, world);
    engine.initialise();
    auto& mine = steps[static_cast<size_t>(world.rank)];
    for (int64_t step = 0; step < num_steps; ++step)
      mine.push_back(engine.train_step(tiny_loader(config, run, world.at.dp, step), step));
    const double valid_loss =
        engine.evaluate(tiny_loader(config, run, world.at.dp, num_steps), run.num_microbatches);
    const std::scoped_lock lock(mutex);
    if (world.rank == 0) result.valid_loss = valid_loss;
    collect_canonical(engine.layout(), engine.memory().params, stream, result.params);
    if (grid.dp == 1)
      collect_canonical(engine.layout(), engine.memory().gradients, stream, result.gradients);
  });
  for (const auto& rank : steps)
    for (size_t i = 0; i < rank.size(); ++i) require_same(steps[0][i], rank[i]);
  result.steps = steps[0];
  return result;
}

void require_same_bits(const TinyRun& got, const TinyRun& want) {
  REQUIRE(got.steps.size() == want.steps.size());
  for (size_t i = 0; i < got.steps.size(); ++i) {
    INFO("step " << i);
    REQUIRE(got.steps[i].loss == want.steps[i].loss);
    REQUIRE(got.steps[i].grad_norm == want.steps[i].grad_norm);
  }
  REQUIRE(got.valid_loss == want.valid_loss);
  REQUIRE(got.params == want.params);
}

void require_close_losses(const TinyRun& got, const TinyRun& want, double bound) {
  REQUIRE(got.steps.size() == want.steps.size());
  for (size_t i = 0; i < got.steps.size(); ++i) {
    INFO("step " << i << ": loss " << got.steps[i].loss << " and " << want.steps[i].loss);
    REQUIRE(std::abs(got.steps[i].loss - want.steps[i].loss) < bound);
    REQUIRE(got.steps[i].grad_norm == Approx(want.steps[i].grad_norm).epsilon(10 * bound));
  }
  REQUIRE(std::abs(got.valid_loss - want.valid_loss) < bound);
}

double worst_difference(const CanonicalTensors& got, const CanonicalTensors& want) {
  double worst = 0;
  REQUIRE(got.size() == want.size());
  for (const auto& [name, values] : want) {
    INFO(name);
    const auto& mine = got.at(name);
    REQUIRE(mine.size() == values.size());
    double error = 0;
    double norm = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      error += (mine[i] - values[i]) * (mine[i] - values[i]);
      norm += values[i] * values[i];
    }
    worst = std::max(worst, std::sqrt(error / norm));
  }
  return worst;
}

}  // namespace swallow
