#include "checkpoint/compare.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "checkpoint/tiny_folder.h"

using namespace swallow;
using namespace swallow::test;

TEST_CASE("checkpoints of one model saved on different grids are equal", "[checkpoint]") {
  const ScratchFolder scratch;
  REQUIRE(save_tiny(scratch / "a", {2, 2, 2}, 5) == std::vector<std::string>(8));
  REQUIRE(save_tiny(scratch / "b", {3, 1, 1, false}, 9) == std::vector<std::string>(3));
  const ModelDifference all = compare_models(SavedModel(scratch / "a"), SavedModel(scratch / "b"));
  CHECK(all.equal());
  CHECK(all.tensors.size() == 4 * 21);
  CHECK(all.notes.empty());
  write_tiny_folder(scratch / "hf", {.type = NumberType::bf16, .shards = 2});
  const ModelDifference weights =
      compare_models(SavedModel(scratch / "a"), SavedModel(scratch / "hf"));
  CHECK(weights.equal());
  CHECK(weights.tensors.size() == 21);
  CHECK(weights.notes.size() == 3);
}

TEST_CASE("a difference is measured where it is", "[checkpoint]") {
  const ScratchFolder scratch;
  const auto save = [&](const std::string& name, const TinyGrid& grid, double factor) {
    // One element of down_proj of layer 1, wherever the grid puts it.
    const auto errors = save_tiny(scratch / name, grid, 5, [&](TinyRank& rank, int) {
      for (const HeldRange& held : held_ranges(rank.layout, rank.shard_rank, StateKind::exp_avg)) {
        if (held.name != "model.layers.1.mlp.down_proj.weight") continue;
        const CanonicalRange element{0, 16, 0, 24, 3 * 24 + 5, 3 * 24 + 6};
        for (const OverlapRun& run : overlap_runs(element, held.range))
          rank.exp_avg[static_cast<size_t>(held.held + run.destination)] =
              static_cast<float>(2.0 * factor);
      }
    });
    REQUIRE(errors == std::vector<std::string>(static_cast<size_t>(grid.size())));
  };
  save("a", {1, 2, 1}, 1.0);
  save("b", {2, 1, 2}, 1.25);
  const ModelDifference difference =
      compare_models(SavedModel(scratch / "a"), SavedModel(scratch / "b"));
  CHECK_FALSE(difference.equal());
  CHECK(difference.missing.empty());
  for (const TensorDifference& tensor : difference.tensors) {
    INFO(tensor.name << " " << name_of(tensor.kind));
    if (tensor.name == "model.layers.1.mlp.down_proj.weight" && tensor.kind == StateKind::exp_avg) {
      CHECK(tensor.different == 1);
      CHECK(tensor.max_abs == 0.5);
      CHECK(tensor.max_rel == 0.2);
      CHECK(tensor.rms == std::sqrt(0.25 / (16 * 24)));
    } else {
      CHECK(tensor.different == 0);
      CHECK(tensor.max_abs == 0);
    }
  }
}

TEST_CASE("a comparison lists tensors that one side lacks or has in another shape",
          "[checkpoint]") {
  const ScratchFolder scratch;
  write_tiny_folder(scratch / "a");
  write_tiny_folder(scratch / "b");
  // The same files as a model of one layer less, with a vocabulary of one token less.
  ModelConfig small = tiny_model_config();
  small.num_layers = 1;
  small.vocab_size = 36;
  std::filesystem::create_directory(scratch / "c");
  write_json(scratch / "c/config.json",
             nlohmann::json::parse(hugging_face_config_text({.model = small}, "bfloat16")));
  write_tiny_shard(scratch / "c/model.safetensors", canonical_tensors(small), NumberType::bf16);
  CHECK(compare_models(SavedModel(scratch / "a"), SavedModel(scratch / "b")).equal());
  const ModelDifference difference =
      compare_models(SavedModel(scratch / "a"), SavedModel(scratch / "c"));
  CHECK_FALSE(difference.equal());
  CHECK(difference.missing.size() == 2 + 9);
  CHECK(difference.tensors.size() == 1 + 9);
  CHECK(std::ranges::any_of(difference.missing, [](const std::string& line) {
    return line.find("\"lm_head.weight\" weight has shape [37, 16]") == 0;
  }));
  CHECK(std::ranges::any_of(difference.missing, [&](const std::string& line) {
    return line.find("\"model.layers.1.mlp.down_proj.weight\" weight is not in " +
                     (scratch / "c")) == 0;
  }));
}
