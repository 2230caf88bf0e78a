// One command for the first job of a chain and for all that follow: --pretrained-checkpoint names
// what to begin with while --load is still empty.
#include <catch2/catch.hpp>
#include <filesystem>

#include "base/check.h"
#include "checkpoint/hugging_face_folder.h"
#include "support/golden.h"
#include "train/whole_run.h"

using namespace swallow;
using test::tensor_bytes;
using test::whole_run;

namespace {

const GridShape kGrid{.dp = 2, .tp = 1, .pp = 1};

std::string pretrained_folder() {
  return test::golden_folder() + "/hf_tiny_gqa";
}

/// Four steps from a folder that `transformers` wrote, saved in `save`.
RunConfig run_config(const std::string& save) {
  RunConfig config;
  config.model = read_hugging_face_config(pretrained_folder()).model;
  config.model.seq_length = 16;
  config.training.global_batch_size = 4;
  config.training.train_iters = 4;
  config.training.eval_iters = 0;
  config.data.mock_data = true;
  config.checkpoint.save = config.checkpoint.load = save;
  config.checkpoint.pretrained_checkpoint = pretrained_folder();
  return config;
}

}  // namespace

TEST_CASE("the same command begins with pretrained weights and then goes on", "[ranks]") {
  const test::ScratchFolder folder;
  RunConfig straight = run_config(folder / "straight");
  straight.checkpoint.load = pretrained_folder();
  straight.checkpoint.pretrained_checkpoint = {};
  whole_run(straight, kGrid);

  RunConfig config = run_config(folder / "chain");
  config.training.exit_interval = 2;
  const auto first = whole_run(config, kGrid);
  CHECK_THAT(first.log, Catch::Contains("loaded the weights from the Hugging Face folder"));
  const auto second = whole_run(config, kGrid);
  CHECK_THAT(second.log, Catch::Contains("loaded everything of iteration 2"));
  CHECK((tensor_bytes(folder / "chain", 4) == tensor_bytes(folder / "straight", 4)));
}

TEST_CASE("a run's checkpoint may be what another run begins with", "[ranks]") {
  const test::ScratchFolder folder;
  whole_run(run_config(folder / "first"), kGrid);
  RunConfig finetune = run_config(folder / "finetune");
  finetune.checkpoint.load = folder / "first";
  finetune.checkpoint.pretrained_checkpoint = {};
  finetune.checkpoint.finetune = true;
  whole_run(finetune, kGrid);
  RunConfig config = run_config(folder / "second");
  config.checkpoint.pretrained_checkpoint = folder / "first";
  const auto run = whole_run(config, kGrid);
  CHECK_THAT(run.log, Catch::Contains("loaded the weights of iteration 4"));
  CHECK((tensor_bytes(folder / "second", 4) == tensor_bytes(folder / "finetune", 4)));
}

TEST_CASE("pretrained weights that are not there, or damaged, are an error", "[ranks]") {
  const test::ScratchFolder folder;
  RunConfig config = run_config(folder / "run");
  config.checkpoint.pretrained_checkpoint = folder / "nothing";
  CHECK_THROWS_WITH(whole_run(config, kGrid),
                    Catch::Contains("--pretrained-checkpoint") && Catch::Contains("nothing"));
  whole_run(run_config(folder / "first"), kGrid);
  const auto file =
      std::filesystem::path(folder / "first") / "iter_0000004" / "rank-00000.safetensors";
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
  config.checkpoint.pretrained_checkpoint = folder / "first";
  CHECK_THROWS_AS(whole_run(config, kGrid), CheckpointError);
}

TEST_CASE("a run that lost its checkpoints does not begin anew", "[ranks]") {
  const test::ScratchFolder folder;
  const RunConfig config = run_config(folder / "run");
  whole_run(config, kGrid);
  const auto iteration = std::filesystem::path(folder / "run") / "iter_0000004";
  std::filesystem::remove(iteration / "rank-00000.safetensors");
  CHECK_THROWS_WITH(whole_run(config, kGrid), Catch::Contains("none of its 1 checkpoints"));
}
