// Folders that `transformers` wrote (scripts/make_hf_fixture.py): the losses and logits that it
// computes from them in fp32, computed here.
#include <catch2/catch.hpp>
#include <cmath>
#include <mutex>
#include <nlohmann/json.hpp>

#include "checkpoint/hugging_face_load.h"
#include "support/golden.h"
#include "support/ranks.h"
#include "train/engine.h"

using namespace swallow;

namespace {

constexpr double kBound = 1e-4;

struct Fixture {
  explicit Fixture(const std::string& name) : folder(test::golden_folder() + "/" + name) {
    const auto json = nlohmann::json::parse(test::read_golden_file(name + "/expected.json"));
    json.at("tokens").get_to(tokens);
    json.at("losses").get_to(losses);
    json.at("last_logits").get_to(last_logits);
  }

  std::string folder;
  std::vector<std::vector<int32_t>> tokens;      // [b][s + 1]
  std::vector<std::vector<double>> losses;       // [b][s], of tokens[b][i + 1]
  std::vector<std::vector<double>> last_logits;  // [b][v], behind the last but one token
};

RunConfig config_of(const Fixture& fixture, int64_t sequence, GridShape grid) {
  RunConfig config;
  config.model = read_hugging_face_config(fixture.folder).model;
  config.model.seq_length = sequence;
  config.parallel.tensor_model_parallel_size = grid.tp;
  config.parallel.pipeline_model_parallel_size = grid.pp;
  config.training = {.global_batch_size = grid.dp, .params_dtype = ParamsDtype::fp32};
  config.data.mock_data = true;
  return config;
}

/// Mean loss over a sequence, one entry for each of `sequences`, which end in their last target.
std::vector<double> mean_losses(const Fixture& fixture, GridShape grid,
                                const std::vector<std::vector<int32_t>>& sequences) {
  const auto s = static_cast<int64_t>(sequences[0].size()) - 1;
  const RunConfig config = config_of(fixture, s, grid);
  const RunShape run = resolve(config, grid.dp * grid.tp * grid.pp);
  std::vector<double> losses;
  run_ranks(grid, [&](World& world) {
    Stream stream{Device{}};
    TrainingEngine engine(config, run, stream, world);
    load_hugging_face(fixture.folder, engine.checkpoint_tensors(), *world.control);
    engine.gather_params();
    for (const std::vector<int32_t>& sequence : sequences) {
      const double loss = engine.evaluate(
          [&](int64_t, const Tensor& tokens, const Tensor& targets) {
            for (size_t i = 0; i + 1 < sequence.size(); ++i) {
              if (tokens) tokens.as<int32_t>()[i] = sequence[i];
              if (targets) targets.as<int32_t>()[i] = sequence[i + 1];
            }
          },
          1);
      if (world.rank == 0) losses.push_back(loss);
    }
  });
  return losses;
}

}  // namespace

TEST_CASE("every token's loss is that of transformers on the same folder", "[golden]") {
  for (const char* name : {"hf_tiny_gqa", "hf_tiny_mha"}) {
    const Fixture fixture(name);
    for (size_t b = 0; b < fixture.tokens.size(); ++b) {
      double before = 0;  // sum of the losses of the tokens so far
      for (size_t length = 1; length <= fixture.losses[b].size(); ++length) {
        const std::vector<int32_t> prefix(
            fixture.tokens[b].begin(),
            fixture.tokens[b].begin() + static_cast<std::ptrdiff_t>(length) + 1);
        const double sum =
            mean_losses(fixture, {1, 1, 1}, {prefix})[0] * static_cast<double>(length);
        INFO(name << ", sequence " << b << ", token " << length);
        CHECK(std::fabs(sum - before - fixture.losses[b][length - 1]) < kBound);
        before = sum;
      }
    }
  }
}

TEST_CASE("the logits are those of transformers on the same folder", "[golden]") {
  for (const char* name : {"hf_tiny_gqa", "hf_tiny_mha"}) {
    const Fixture fixture(name);
    for (size_t b = 0; b < fixture.tokens.size(); ++b) {
      // Minus the loss of a target is its logit less the same number for every target.
      const std::vector<double>& logits = fixture.last_logits[b];
      std::vector<std::vector<int32_t>> sequences(logits.size(), fixture.tokens[b]);
      for (size_t v = 0; v < logits.size(); ++v) sequences[v].back() = static_cast<int32_t>(v);
      const std::vector<double> losses = mean_losses(fixture, {1, 1, 1}, sequences);
      const auto s = static_cast<double>(sequences[0].size() - 1);
      double worst = 0;
      for (size_t v = 0; v < logits.size(); ++v)
        worst = std::max(worst, std::fabs((losses[0] - losses[v]) * s - (logits[v] - logits[0])));
      INFO(name << ", sequence " << b);
      CHECK(worst < kBound);
    }
  }
}

TEST_CASE("a folder of transformers has the same loss on every grid", "[golden][ranks]") {
  for (const char* name : {"hf_tiny_gqa", "hf_tiny_mha"}) {
    const Fixture fixture(name);
    for (const GridShape grid : {GridShape{1, 2, 1}, GridShape{2, 1, 2}, GridShape{1, 2, 2}}) {
      const std::vector<double> losses = mean_losses(fixture, grid, fixture.tokens);
      for (size_t b = 0; b < losses.size(); ++b) {
        double expected = 0;
        for (const double loss : fixture.losses[b])
          expected += loss / static_cast<double>(fixture.losses[b].size());
        INFO(name << ", tp " << grid.tp << " pp " << grid.pp << ", sequence " << b);
        CHECK(std::fabs(losses[b] - expected) < kBound);
      }
    }
  }
}
