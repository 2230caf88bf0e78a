#include <catch2/catch.hpp>
#include <functional>
#include <limits>

#include "base/check.h"
#include "config/preset.h"
#include "config/run_shape.h"

using namespace swallow;

namespace {

RunConfig valid() {
  RunConfig config;
  config.model = {.num_layers = 4,
                  .hidden_size = 64,
                  .ffn_hidden_size = 176,
                  .num_attention_heads = 4,
                  .num_query_groups = 2,
                  .vocab_size = 500,
                  .seq_length = 32};
  config.parallel.tensor_model_parallel_size = 2;
  config.parallel.pipeline_model_parallel_size = 2;
  config.parallel.sequence_parallel = true;
  config.training.micro_batch_size = 2;
  config.training.global_batch_size = 16;
  config.data.mock_data = true;
  return config;
}

struct Rule {
  std::function<void(RunConfig&)> change;
  std::vector<std::string> parts;  // what the message must hold: flags, values, what is accepted
};

void require_refused(const std::vector<Rule>& rules, int world_size = 8) {
  for (const Rule& rule : rules) {
    RunConfig config = valid();
    rule.change(config);
    std::string message;
    try {
      resolve(config, world_size);
    } catch (const ConfigError& error) {
      message = error.what();
    }
    CAPTURE(message, rule.parts);
    REQUIRE_FALSE(message.empty());
    for (const std::string& part : rule.parts) CHECK_THAT(message, Catch::Contains(part));
  }
}

}  // namespace

TEST_CASE("resolve derives the shape of a run", "[unit][config]") {
  const RunShape shape = resolve(valid(), 8);
  CHECK(shape.world_size == 8);
  CHECK(shape.tp == 2);
  CHECK(shape.pp == 2);
  CHECK(shape.dp == 2);
  CHECK(shape.num_microbatches == 4);
  CHECK(shape.kv_heads == 2);
  CHECK(shape.head_dim == 16);
  CHECK(shape.padded_vocab_size == 512);
  CHECK(shape.lr_decay_iters == 100);

  RunConfig config = valid();
  config.model.num_query_groups = 0;
  config.optimizer.lr_decay_iters = 70;
  CHECK(resolve(config, 4).kv_heads == 4);
  CHECK(resolve(config, 4).lr_decay_iters == 70);
  CHECK(resolve(config, 4).dp == 1);
}

TEST_CASE("the vocabulary is padded as Megatron pads it", "[unit][config]") {
  // mission: 43176 at a multiple of 128 x TP
  for (const auto& [tp, padded] : {std::pair{1, 43264}, {2, 43264}, {4, 43520}, {8, 44032}}) {
    RunConfig config = valid();
    config.model.num_attention_heads = 8;
    config.model.num_query_groups = 8;
    config.model.vocab_size = 43176;
    config.parallel.tensor_model_parallel_size = tp;
    CHECK(resolve(config, 2 * tp).padded_vocab_size == padded);
  }
}

TEST_CASE("sizes that do not divide are refused with both flags", "[unit][config]") {
  require_refused({
      {[](RunConfig& c) { c.model.vocab_size = 0; }, {"--vocab-size"}},
      {[](RunConfig& c) { c.model.hidden_size = 66; },
       {"--hidden-size 66", "--num-attention-heads 4"}},
      {[](RunConfig& c) { c.model.hidden_size = 60; }, {"60", "= 15", "even"}},
      {[](RunConfig& c) { c.model.num_query_groups = 3; },
       {"--num-query-groups 3", "divisor of --num-attention-heads 4"}},
      {[](RunConfig& c) { c.model.num_query_groups = 1; },
       {"--tensor-model-parallel-size 2", "--num-query-groups 1", "not replicated"}},
      {[](RunConfig& c) {
         c.model.hidden_size = 66;
         c.model.num_attention_heads = 3;
         c.model.num_query_groups = 3;
       },
       {"--tensor-model-parallel-size 2", "--num-attention-heads 3"}},
      {[](RunConfig& c) { c.model.ffn_hidden_size = 175; },
       {"--tensor-model-parallel-size 2", "--ffn-hidden-size 175"}},
      {[](RunConfig& c) { c.model.seq_length = 33; },
       {"--sequence-parallel", "--seq-length 33", "--tensor-model-parallel-size 2"}},
      {[](RunConfig& c) { c.model.num_layers = 1; },
       {"--pipeline-model-parallel-size 2", "at most --num-layers 1"}},
      {[](RunConfig& c) { c.training.global_batch_size = 18; },
       {"--global-batch-size 18", "--micro-batch-size 2", "size 2", "= 4"}},
  });
  RunConfig odd = valid();
  odd.model.seq_length = 33;
  odd.parallel.sequence_parallel = false;
  CHECK_NOTHROW(resolve(odd, 8));
}

TEST_CASE("a world that the grid does not divide is refused", "[unit][config]") {
  const auto as_is = [](RunConfig&) {};
  require_refused({{as_is, {"6 ranks", "multiple of", "= 4"}}}, 6);
  require_refused({{as_is, {"0 ranks"}}}, 0);
  require_refused({{as_is, {"2 ranks"}}}, 2);
}

TEST_CASE("rates, precision and token counts that contradict are refused", "[unit][config]") {
  require_refused({
      {[](RunConfig& c) { c.optimizer.min_lr = 1; }, {"--min-lr 1", "--lr 0.0003"}},
      {[](RunConfig& c) { c.optimizer.lr_warmup_iters = 100; },
       {"--lr-warmup-iters 100", "--train-iters 100"}},
      {[](RunConfig& c) {
         c.optimizer.lr_decay_iters = 20;
         c.optimizer.lr_warmup_iters = 30;
       },
       {"--lr-warmup-iters 30", "--lr-decay-iters 20"}},
      {[](RunConfig& c) {
         c.training.params_dtype = ParamsDtype::fp64;
         c.parallel.backend = Backend::cuda;
       },
       {"--params-dtype fp64", "--backend cuda"}},
      {[](RunConfig& c) { c.parallel.comm = CommChoice::nccl; },
       {"--comm nccl", "auto or host", "--backend cpu"}},
      {[](RunConfig& c) {
         c.training.params_dtype = ParamsDtype::fp32;
         c.optimizer.use_precision_aware_optimizer = true;
       },
       {"--params-dtype fp32", "bf16", "--use-precision-aware-optimizer"}},
      {[](RunConfig& c) {
         c.training.params_dtype = ParamsDtype::fp64;
         c.optimizer.use_precision_aware_optimizer = true;
       },
       {"--params-dtype fp64", "bf16", "--use-precision-aware-optimizer"}},
      {[](RunConfig& c) {
         c.training.train_iters = 1'000'000'000;
         c.training.global_batch_size = 1 << 24;
         c.model.seq_length = 1 << 24;
       },
       {"--train-iters", "1e18"}},
  });
}

TEST_CASE("data must have exactly one source, in one form", "[unit][config]") {
  require_refused({
      {[](RunConfig& c) { c.data.mock_data = false; }, {"--data-path", "--mock-data"}},
      {[](RunConfig& c) { c.data.data_path = {"a"}; }, {"--data-path", "--mock-data"}},
      {[](RunConfig& c) { c.data.valid_data_path = {"a"}; }, {"--train-data-path"}},
      {[](RunConfig& c) { c.data.test_data_path = {"a"}; },
       {"--test-data-path", "--train-data-path"}},
      {[](RunConfig& c) {
         c.data.mock_data = false;
         c.data.data_path = {"1", "a", "b"};
       },
       {"--data-path", "3 words", "pairs"}},
      {[](RunConfig& c) {
         c.data.mock_data = false;
         c.data.data_path = {"a", "1"};
       },
       {"--data-path", "a: expected", "above 0"}},
      {[](RunConfig& c) { c.data.split = "1,2,3,4"; }, {"--split 1,2,3,4"}},
      {[](RunConfig& c) { c.data.split = "0,0"; }, {"--split 0,0"}},
      {[](RunConfig& c) { c.data.split = "9,-1"; }, {"--split 9,-1", "part -1"}},
      {[](RunConfig& c) { c.data.split = "9,"; }, {"--split 9,"}},
  });
  RunConfig blend = valid();
  blend.data.mock_data = false;
  blend.data.data_path = {"0.3", "a", "7", "b"};
  CHECK_NOTHROW(resolve(blend, 8));
}

TEST_CASE("flags about loading need a folder to load", "[unit][config]") {
  require_refused({
      {[](RunConfig& c) { c.checkpoint.load_or_init = true; }, {"--load-or-init", "--load"}},
      {[](RunConfig& c) { c.checkpoint.finetune = true; }, {"--finetune", "--load"}},
      {[](RunConfig& c) { c.checkpoint.ckpt_step = 3; }, {"--ckpt-step 3", "--load"}},
      {[](RunConfig& c) { c.checkpoint.async_save = true; }, {"--async-save", "--save"}},
      {[](RunConfig& c) { c.checkpoint.most_recent_k = 0; }, {"--most-recent-k 0", "1 or more"}},
      {[](RunConfig& c) {
         c.checkpoint.save_interval = 4;
         c.checkpoint.save_retain_interval = 6;
       },
       {"--save-retain-interval 6", "multiple of --save-interval 4"}},
      {[](RunConfig& c) { c.checkpoint.accept_change = "seed"; }, {"--accept-change", "--load"}},
      {[](RunConfig& c) {
         c.checkpoint.load = "run";
         c.checkpoint.finetune = true;
         c.checkpoint.accept_change = "seed";
       },
       {"--accept-change seed", "--finetune"}},
  });
}

TEST_CASE("values set by hand are held to the same ranges as flags", "[unit][config]") {
  require_refused({
      {[](RunConfig& c) { c.optimizer.lr = std::numeric_limits<double>::quiet_NaN(); },
       {"--lr nan"}},
      {[](RunConfig& c) { c.optimizer.lr = std::numeric_limits<double>::infinity(); },
       {"--lr inf"}},
      {[](RunConfig& c) { c.training.micro_batch_size = 0; }, {"--micro-batch-size 0"}},
      {[](RunConfig& c) { c.model.hidden_size = -64; }, {"--hidden-size -64"}},
  });
}

TEST_CASE("a run whose DP is not the paper's says so", "[unit][config]") {
  RunConfig config;
  apply_preset("70b", config);
  config.data.mock_data = true;
  CHECK_THAT(describe_paper_difference(config, resolve(config, 64)),
             Catch::Contains("70b") && Catch::Contains("DP 4 on 32 nodes") &&
                 Catch::Contains("DP 1 (64 ranks)") && Catch::Contains("1024 microbatches"));
  CHECK(describe_paper_difference(config, resolve(config, 256)).empty());
  CHECK(describe_paper_difference(valid(), resolve(valid(), 8)).empty());
}

TEST_CASE("a profiler's window must be open for a step and belongs to CUDA", "[unit][config]") {
  require_refused({
      {[](RunConfig& c) { c.log.profile_step_start = 3; }, {"--profile-step-start 3", "cpu"}},
      {[](RunConfig& c) {
         c.parallel.backend = Backend::cuda;
         c.log.profile_step_start = 3;
         c.log.profile_step_end = 3;
       },
       {"--profile-step-end 3", "more than"}},
      {[](RunConfig& c) {
         c.parallel.backend = Backend::cuda;
         c.log.profile_step_end = 3;
       },
       {"--profile-step-end 3", "at least 1"}},
  });
}
