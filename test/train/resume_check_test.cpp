// Which settings may differ from a checkpoint's, and what the user is told.
#include "train/resume_check.h"

#include <catch2/catch.hpp>

#include "base/check.h"
#include "config/config_json.h"
#include "data/fixtures.h"
#include "support/tiny_model.h"

using namespace swallow;
using swallow::test::message_of;

namespace {

using Strings = std::vector<std::string>;

RunConfig saved_config() {
  RunConfig config = tiny_config();
  config.data.mock_data = false;
  config.data.data_path = {"0.3", "en", "0.7", "ja"};
  return config;
}

CheckpointState saved_state() {
  return {.iteration = 3, .consumed_train_samples = 24, .config_json = config_json(saved_config())};
}

Strings check(const RunConfig& config) {
  return require_same_run(config, saved_state(), "run");
}

std::string refusal(const RunConfig& config) {
  return message_of<CheckpointError>([&] { (void)check(config); });
}

std::string bad_name(const std::string& text) {
  return message_of<ConfigError>([&] { (void)accepted_changes(text); });
}

/// Another seed, global batch, split and blend.
RunConfig changed_config() {
  RunConfig config = saved_config();
  config.training.seed = 99;
  config.training.global_batch_size = 16;
  config.data.split = "90,10,0";
  config.data.data_path[0] = "0.5";
  return config;
}

}  // namespace

TEST_CASE("a resume with the same settings is silent", "[unit][resume]") {
  REQUIRE(check(saved_config()).empty());
  RunConfig other_machine = saved_config();
  other_machine.parallel.tensor_model_parallel_size = 4;
  other_machine.training.micro_batch_size = 4;
  REQUIRE(check(other_machine).empty());
  RunConfig longer = saved_config();  // the data tell whether that is the same order
  longer.training.train_iters *= 2;
  longer.checkpoint.accept_change = "train_iters";
  REQUIRE(check(longer).empty());
}

TEST_CASE("a refused resume lists every difference and the flag that accepts them",
          "[unit][resume]") {
  REQUIRE(
      refusal(changed_config()) ==
      "--load run: the checkpoint belongs to another run:\n"
      "  seed: saved 1234, now 99\n"
      "  global_batch_size: saved 8, now 16\n"
      "  data_path: saved [\"0.3\",\"en\",\"0.7\",\"ja\"], now [\"0.5\",\"en\",\"0.7\",\"ja\"]\n"
      "  split: saved \"969,30,1\", now \"90,10,0\"\n"
      "expected the same values, or --accept-change seed,global_batch_size,data_path,split to "
      "go on with the new ones, or --finetune to take the weights only");
}

TEST_CASE("accepting some differences is not accepting the others", "[unit][resume]") {
  RunConfig config = changed_config();
  config.data = saved_config().data;
  config.checkpoint.accept_change = "seed";
  const std::string message = refusal(config);
  REQUIRE_THAT(message, Catch::Contains("seed: saved 1234, now 99 (accepted)\n"));
  REQUIRE_THAT(message, Catch::Contains("global_batch_size: saved 8, now 16\n"));
  REQUIRE_THAT(message, Catch::Contains("--accept-change seed,global_batch_size "));
}

TEST_CASE("the flag that a refusal names is accepted, with a line for every change",
          "[unit][resume]") {
  RunConfig config = changed_config();
  const std::string message = refusal(config);
  const std::string flag = "--accept-change ";
  const size_t at = message.find(flag) + flag.size();
  config.checkpoint.accept_change = message.substr(at, message.find(' ', at) - at);
  const Strings lines = check(config);
  REQUIRE(lines.size() == 4);
  REQUIRE(lines[0] ==
          "--accept-change seed: 1234 -> 99: samples come in another order, so some may come twice "
          "or never; the position stays 24 consumed samples");
  REQUIRE_THAT(lines[1], Catch::StartsWith("--accept-change global_batch_size: 8 -> 16: ") &&
                             Catch::Contains("the learning rate counts steps as before"));
  REQUIRE_THAT(lines[2], Catch::StartsWith("--accept-change data_path: ["));
  REQUIRE_THAT(lines[3], Catch::Contains("\"969,30,1\" -> \"90,10,0\""));
}

TEST_CASE("every other setting of the data and of the function may be accepted", "[unit][resume]") {
  RunConfig config = saved_config();
  config.model.seq_length = 32;
  config.model.rotary_base = 500000;
  config.model.norm_epsilon = 1e-6;
  config.data = {.train_data_path = {"ja"}, .valid_data_path = {"en"}};
  config.checkpoint.accept_change =
      "seq_length,rotary_base,norm_epsilon,data_path,train_data_path,valid_data_path";
  REQUIRE(check(config).size() == 6);
  config.data = {.mock_data = true};
  config.checkpoint.accept_change = "seq_length,rotary_base,norm_epsilon,data_path,mock_data";
  REQUIRE(check(config).size() == 5);
}

TEST_CASE("the shape and the type of weights are never accepted", "[unit][resume]") {
  for (const char* key : {"num_layers", "hidden_size", "ffn_hidden_size", "num_attention_heads",
                          "num_query_groups", "vocab_size"})
    REQUIRE_THAT(bad_name(fmt::format("seed,{}", key)),
                 Catch::StartsWith(fmt::format(
                     "--accept-change {}: it decides the shape of the weights, which no resume can "
                     "change; expected seq_length|",
                     key)));
  REQUIRE_THAT(bad_name("params-dtype"),
               Catch::Contains("params_dtype: it decides the type of the weights"));

  RunConfig config = changed_config();
  config.model.hidden_size = 32;
  const std::string message = refusal(config);
  REQUIRE_THAT(message, Catch::Contains("hidden_size: saved 64, now 32") &&
                            Catch::Contains("seed: saved 1234, now 99") &&
                            Catch::EndsWith("expected the same values; hidden_size decides the "
                                            "shape of the weights and cannot be accepted"));
  config = saved_config();
  config.training.params_dtype = ParamsDtype::bf16;
  REQUIRE_THAT(refusal(config),
               Catch::EndsWith("expected the same values, or --finetune to take the weights only; "
                               "params_dtype decides the type of the weights and cannot be "
                               "accepted"));
}

TEST_CASE("a name that cannot be accepted is refused with the nearest that can", "[unit][resume]") {
  REQUIRE_THAT(bad_name("sed"), Catch::StartsWith("--accept-change sed: unknown name; ") &&
                                    Catch::EndsWith("did you mean seed?"));
  REQUIRE_THAT(bad_name("global_batchsize"), Catch::EndsWith("did you mean global_batch_size?"));
  REQUIRE_THAT(bad_name("seed,"), Catch::Contains("unknown name"));
  REQUIRE_THAT(bad_name("seed split"), Catch::Contains("unknown name"));
  REQUIRE_THAT(bad_name("lr"), Catch::Contains("lr: it may change at any resume without this"));
  REQUIRE(accepted_changes("").empty());
  REQUIRE(accepted_changes("train_iters,eval-iters") == Strings{"train_iters", "eval_iters"});
  REQUIRE(accepted_changes("split,global-batch-size,split") ==
          Strings{"split", "global_batch_size"});
}

TEST_CASE("a name that does not differ is told, so that a job may be queued again as it is",
          "[unit][resume]") {
  RunConfig config = saved_config();
  config.checkpoint.accept_change = "split";
  REQUIRE(check(config) == Strings{"--accept-change split: not needed, the checkpoint was saved "
                                   "with the same value"});
}
