// A damaged checkpoint costs the iterations since the one before it, and nothing else.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "checkpoint/checkpoint.h"
#include "train/whole_run.h"

using namespace swallow;
using namespace swallow::test;
namespace fs = std::filesystem;

namespace {

/// Six steps, saved at 2, 4 and 6.
RunConfig run_config(const std::string& save) {
  RunConfig config = short_run(save);
  config.training.eval_iters = 0;
  config.checkpoint.save_interval = 2;
  return config;
}

fs::path file_of(const std::string& folder, int64_t iteration, const std::string& name) {
  return fs::path(folder) / fmt::format("iter_{:07}", iteration) / name;
}

/// Flips a bit in the middle of a file: in a tensor, where sizes and headers tell nothing.
void damage(const fs::path& path) {
  const auto middle = static_cast<std::streamoff>(fs::file_size(path) / 2);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(middle);
  const int byte = file.get();
  file.seekp(middle);
  file.put(static_cast<char>(byte ^ 1));
}

}  // namespace

TEST_CASE("a checkpoint with a flipped bit is passed over and the run ends in the same bits",
          "[ranks][resume]") {
  const ScratchFolder scratch;
  const GridShape grid{2, 1, 2};
  RunConfig config = run_config(scratch / "run");
  REQUIRE(whole_run(config, grid).code == ExitCode::ok);
  const auto want = tensor_bytes(config.checkpoint.save, 6);
  REQUIRE(want.size() == 4);
  config.checkpoint.load = config.checkpoint.save;
  damage(file_of(config.checkpoint.save, 6, "rank-00003.safetensors"));

  SECTION("the one before is loaded, and its data position") {
    const WholeRun resumed = whole_run(config, grid);
    CHECK_THAT(resumed.log, Catch::Contains("iteration 6 is passed over: rank ") &&
                                Catch::Contains("rank-00003.safetensors: tensor ") &&
                                Catch::Contains(", bytes ") &&
                                Catch::Contains("loaded everything of iteration 4"));
    const auto steps = resumed.rows_of("step");
    REQUIRE(steps.size() == 2);
    CHECK(steps[0].at("consumed_samples") == 5 * config.training.global_batch_size);
  }
  SECTION("past several damaged ones, however they are damaged, and on another grid") {
    fs::remove(file_of(config.checkpoint.save, 4, "manifest.json"));
    const WholeRun resumed = whole_run(config, {1, 1, 2});
    CHECK_THAT(resumed.log, Catch::Contains("iteration 4 is passed over: ") &&
                                Catch::Contains("loaded everything of iteration 2"));
    CHECK(resumed.rows_of("step").size() == 4);
    CHECK(find_checkpoint(config.checkpoint.save) == 6);
    return;  // DP is another one: so are the bits
  }
  CHECK(tensor_bytes(config.checkpoint.save, 6) == want);
}

TEST_CASE("an iteration that --ckpt-step names is loaded, and an error when it is damaged",
          "[ranks][resume]") {
  const ScratchFolder scratch;
  const GridShape grid{2, 1, 1};
  RunConfig config = run_config(scratch / "run");
  whole_run(config, grid);
  const auto want = tensor_bytes(config.checkpoint.save, 6);
  config.checkpoint.load = config.checkpoint.save;
  config.checkpoint.ckpt_step = 2;
  const WholeRun resumed = whole_run(config, grid);
  CHECK_THAT(resumed.log, Catch::Contains("loaded everything of iteration 2"));
  CHECK(tensor_bytes(config.checkpoint.save, 6) == want);
  config.checkpoint.ckpt_step = 3;
  CHECK_THROWS_WITH(whole_run(config, grid), Catch::Contains("no checkpoint of iteration 3"));
  config.checkpoint.ckpt_step = 4;
  damage(file_of(config.checkpoint.save, 4, "rank-00001.safetensors"));
  CHECK_THROWS_WITH(
      whole_run(config, grid),
      Catch::Contains("--ckpt-step 4") && Catch::Contains("rank-00001.safetensors: tensor "));
}

TEST_CASE("a folder of damaged checkpoints alone is an error that lists them all",
          "[ranks][resume]") {
  const ScratchFolder scratch;
  const GridShape grid{2, 1, 1};
  RunConfig config = run_config(scratch / "run");
  config.training.train_iters = 4;
  whole_run(config, grid);
  config.checkpoint.load = config.checkpoint.save;
  config.checkpoint.load_or_init = GENERATE(false, true);  // nothing begins anew unasked
  damage(file_of(config.checkpoint.save, 4, "rank-00000.safetensors"));
  fs::resize_file(file_of(config.checkpoint.save, 2, "rank-00001.safetensors"), 100);
  try {
    whole_run(config, grid);
    FAIL("a damaged checkpoint was loaded");
  } catch (const CheckpointError& error) {
    CHECK_THAT(error.what(), Catch::Contains("none of its 2 checkpoints") &&
                                 Catch::Contains("iteration 4: rank ") &&
                                 Catch::Contains("rank-00000.safetensors: tensor ") &&
                                 Catch::Contains("iteration 2: ") &&
                                 Catch::Contains("rank-00001.safetensors: 100 bytes"));
  }
}
