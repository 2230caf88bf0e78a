#include "config/preset.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/check.h"
#include "config/run_shape.h"

using namespace swallow;

namespace {

RunConfig load(const std::string& preset) {
  RunConfig config;
  apply_preset(preset, config);
  config.data.mock_data = true;
  return config;
}

}  // namespace

TEST_CASE("every preset resolves at its smallest world and on its paper's grid", "[unit][config]") {
  const std::vector<std::string> names = preset_names();
  CHECK(names == std::vector<std::string>{"13b", "70b", "7b", "quickstart", "tiny"});
  for (const std::string& name : names) {
    CAPTURE(name);
    const RunConfig config = load(name);
    const auto smallest = static_cast<int>(config.parallel.tensor_model_parallel_size *
                                           config.parallel.pipeline_model_parallel_size);
    CHECK(resolve(config, smallest).dp == 1);
    if (config.parallel.paper_data_parallel_size == 0) continue;
    const auto paper_dp = static_cast<int>(config.parallel.paper_data_parallel_size);
    const RunShape shape = resolve(config, smallest * paper_dp);
    CHECK(shape.dp == paper_dp);
    CHECK(smallest * paper_dp == 8 * config.parallel.paper_nodes);
    CHECK(describe_paper_difference(config, shape).empty());
  }
}

TEST_CASE("the Llama 2 presets hold the paper's settings", "[unit][config]") {
  struct Expected {
    const char* name;
    int64_t layers, hidden, ffn, heads, kv_heads;
    int tp, pp, dp;
    double lr, min_lr;
  };
  for (const Expected& e : {Expected{"7b", 32, 4096, 11008, 32, 32, 2, 2, 16, 1e-4, 3.3e-6},
                            Expected{"13b", 40, 5120, 13824, 40, 40, 2, 4, 8, 1e-4, 3.3e-6},
                            Expected{"70b", 80, 8192, 28672, 64, 8, 8, 8, 4, 5e-5, 1.6e-6}}) {
    CAPTURE(e.name);
    const RunConfig c = load(e.name);
    CHECK(c.model.num_layers == e.layers);
    CHECK(c.model.hidden_size == e.hidden);
    CHECK(c.model.ffn_hidden_size == e.ffn);
    CHECK(c.model.num_attention_heads == e.heads);
    CHECK(c.model.num_query_groups == e.kv_heads);
    CHECK(c.model.vocab_size == 43176);
    CHECK(c.model.seq_length == 4096);
    CHECK(c.parallel.sequence_parallel);
    CHECK(c.parallel.use_distributed_optimizer);
    CHECK(c.training.global_batch_size == 1024);
    CHECK(c.training.micro_batch_size == 1);
    CHECK(c.training.train_iters == 25000);
    CHECK(c.optimizer.lr == e.lr);
    CHECK(c.optimizer.min_lr == e.min_lr);
    CHECK(c.optimizer.lr_warmup_iters == 1000);
    const RunShape shape = resolve(c, e.tp * e.pp * e.dp);
    CHECK(shape.tp == e.tp);
    CHECK(shape.pp == e.pp);
    CHECK(shape.head_dim == 128);
    CHECK(shape.num_microbatches == 1024 / e.dp);
  }
}

TEST_CASE("a preset may be a path, and its folder may be named by the environment",
          "[unit][config]") {
  namespace fs = std::filesystem;
  const fs::path folder =
      fs::temp_directory_path() / ("swallow-preset-test-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  std::ofstream(folder / "mine.json") << R"({"hidden_size": 96})";
  std::ofstream(folder / "bad.json") << R"({"hidden_sise": 96})";

  RunConfig config;
  CHECK(apply_preset((folder / "mine.json").string(), config) ==
        std::vector<std::string>{"hidden_size"});
  CHECK(config.model.hidden_size == 96);

  ::setenv("SWALLOW_PRESETS", folder.c_str(), 1);
  RunConfig named;
  apply_preset("mine", named);
  const std::vector<std::string> names = preset_names();
  ::unsetenv("SWALLOW_PRESETS");
  CHECK(named.model.hidden_size == 96);
  CHECK(named.preset == "mine");
  CHECK(names == std::vector<std::string>{"bad", "mine"});

  CHECK_THROWS_WITH(apply_preset((folder / "bad.json").string(), config),
                    Catch::Contains("bad.json") && Catch::Contains("did you mean hidden_size?"));
  CHECK_THROWS_AS(apply_preset(folder.string() + "/", config), ConfigError);
  CHECK_THROWS_AS(apply_preset("../presets/7b", config), ConfigError);
  fs::remove_all(folder);
}
