#include "config/cli.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "base/check.h"
#include "config/help.h"

using namespace swallow;

namespace {

ParsedCommandLine parse(const std::vector<std::string>& arguments) {
  return parse_command_line(arguments);
}

/// The message that `arguments` are refused with; empty when they are accepted.
std::string refusal(const std::vector<std::string>& arguments) {
  try {
    parse(arguments);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

bool mentions(const std::string& message, const std::vector<std::string>& parts) {
  return std::all_of(parts.begin(), parts.end(), [&](const std::string& part) {
    return message.find(part) != std::string::npos;
  });
}

struct Refusal {
  std::vector<std::string> arguments;
  std::vector<std::string> parts;  // what the message must hold
};

void require_refused(const std::vector<Refusal>& cases) {
  for (const Refusal& item : cases) {
    const std::string message = refusal(item.arguments);
    CAPTURE(item.arguments, message);
    REQUIRE_FALSE(message.empty());
    CHECK(mentions(message, item.parts));
  }
}

}  // namespace

TEST_CASE("flags set their option and no other", "[unit][config]") {
  const RunConfig config = parse({"--hidden-size", "128", "--lr=1e-3", "--params-dtype", "fp32",
                                  "--data-path", "0.3", "a", "0.7", "b", "--sequence-parallel",
                                  "--no-use-distributed-optimizer", "--save", "run dir"})
                               .config;
  CHECK(config.model.hidden_size == 128);
  CHECK(config.optimizer.lr == 1e-3);
  CHECK(config.training.params_dtype == ParamsDtype::fp32);
  CHECK(config.data.data_path == std::vector<std::string>{"0.3", "a", "0.7", "b"});
  CHECK(config.parallel.sequence_parallel);
  CHECK_FALSE(config.parallel.use_distributed_optimizer);
  CHECK(config.checkpoint.save == "run dir");
  CHECK(config.model.num_layers == RunConfig{}.model.num_layers);
}

TEST_CASE("numbers are finite decimals in full, and in range", "[unit][config]") {
  require_refused({
      {{"--lr", "nan"}, {"--lr nan", "finite decimal", "0 to 100"}},
      {{"--lr", "inf"}, {"--lr inf", "finite decimal"}},
      {{"--lr", "-inf"}, {"--lr", "-inf"}},
      {{"--lr", "1e999"}, {"--lr 1e999", "finite decimal"}},
      {{"--lr", "-1"}, {"--lr -1", "0 to 100"}},
      {{"--lr", "1e-4x"}, {"--lr 1e-4x"}},
      {{"--lr", "0x1p-3"}, {"--lr 0x1p-3"}},
      {{"--lr", "010"}, {"--lr 010"}},
      {{"--lr", "+1"}, {"--lr +1"}},
      {{"--lr", "1,5"}, {"--lr 1,5"}},
      {{"--lr", "."}, {"--lr ."}},
      {{"--lr", "1e"}, {"--lr 1e"}},
      {{"--lr"}, {"--lr", "value"}},
      {{"--lr="}, {"--lr"}},
      {{"--adam-beta2", "1"}, {"--adam-beta2 1", "0 to below 1"}},
      {{"--adam-eps", "0"}, {"--adam-eps 0", "above 0"}},
      {{"--hidden-size", "010"}, {"--hidden-size 010", "whole decimal"}},
      {{"--hidden-size", "0x40"}, {"--hidden-size 0x40"}},
      {{"--hidden-size", "64.0"}, {"--hidden-size 64.0"}},
      {{"--hidden-size", "1e3"}, {"--hidden-size 1e3"}},
      {{"--hidden-size", " 64"}, {"--hidden-size  64"}},
      {{"--hidden-size", "-64"}, {"--hidden-size -64", "2 to 1048576"}},
      {{"--hidden-size", "99999999999999999999"}, {"99999999999999999999", "2 to 1048576"}},
      {{"--seed", "4294967296"}, {"--seed 4294967296", "0 to 4294967295"}},
      {{"--nproc", "0"}, {"--nproc 0", "1 to 1024"}},
  });
  CHECK(parse({"--lr", ".5"}).config.optimizer.lr == 0.5);
  CHECK(parse({"--lr", "5.E-1"}).config.optimizer.lr == 0.5);
  CHECK(parse({"--min-lr", "0"}).config.optimizer.min_lr == 0.0);
  CHECK(parse({"--seed", "4294967295"}).config.training.seed == 4294967295);
}

TEST_CASE("words outside an enum, empty text and control characters are refused",
          "[unit][config]") {
  require_refused({
      {{"--params-dtype", "fp16"}, {"--params-dtype fp16", "bf16|fp32|fp64"}},
      {{"--pipeline-schedule", "1F1B"}, {"--pipeline-schedule 1F1B", "1f1b|gpipe"}},
      {{"--save", ""}, {"--save \"\""}},
      {{"--save", "a\x1b[31mb"}, {"--save a\\x1b[31mb"}},
      {{"--save", std::string(5000, 'x')}, {"--save", "5000 bytes"}},
      {{"--sequence-parallel=false"}, {"--sequence-parallel=false"}},
  });
}

TEST_CASE("unknown flags, commands and presets are refused with the nearest name",
          "[unit][config]") {
  require_refused({
      {{"--hiden-size", "64"}, {"--hiden-size", "did you mean --hidden-size?"}},
      {{"--hidden_size", "64"}, {"did you mean --hidden-size?"}},
      {{"--hidden", "64"}, {"unknown flag --hidden"}},  // no abbreviations
      {{"--num-layer=3"}, {"did you mean --num-layers?"}},
      {{"--learning-rate", "1"}, {"--learning-rate", "did you mean --lr?"}},
      {{"--per_device_train_batch_size", "1"}, {"did you mean --micro-batch-size?"}},
      {{"--no-sequence-paralel"}, {"did you mean --no-sequence-parallel?"}},
      {{"--preset", "7c"}, {"--preset 7c", "did you mean 7b?", "70b"}},
      {{"--preset", "no/such.json"}, {"no/such.json"}},
      {{"trian"}, {"trian", "did you mean train?"}},
      {{"--preset", "tiny", "stray"}, {"stray"}},
      {{"-x"}, {"-x"}},
      {{"--paper-nodes", "3"}, {"unknown flag --paper-nodes"}},
  });
}

TEST_CASE("contradictions and repetitions are refused", "[unit][config]") {
  require_refused({
      {{"--lr", "1", "--lr=1"}, {"--lr is given twice"}},
      {{"--mock-data", "--mock-data"}, {"--mock-data is given twice"}},
      {{"--data-path", "a", "--data-path", "b"}, {"--data-path is given twice"}},
      {{"--sequence-parallel", "--no-sequence-parallel"}, {"both given"}},
      {{"--bf16", "--params-dtype", "fp32"}, {"--bf16", "fp32"}},
      {{"--norm-epsilon", "1e-5", "--layernorm-epsilon", "1e-6"}, {"1e-05", "1e-06"}},
      {{"--save-interval", "5"}, {"--save-interval 5", "--save"}},
  });
  CHECK(refusal({"--bf16", "--params-dtype", "bf16"}).empty());
  CHECK(parse({"--layernorm-epsilon", "1e-6"}).config.model.norm_epsilon == 1e-6);
  CHECK(parse({"--recompute-activations"}).config.training.recompute_granularity ==
        Recompute::selective);
}

TEST_CASE("a Swallow training script's flags are accepted with one notice", "[unit][config]") {
  const ParsedCommandLine parsed = parse({"--tensor-model-parallel-size",
                                          "2",
                                          "--pipeline-model-parallel-size",
                                          "2",
                                          "--sequence-parallel",
                                          "--use-distributed-optimizer",
                                          "--distributed-backend",
                                          "nccl",
                                          "--use-mpi",
                                          "--num-layers",
                                          "32",
                                          "--hidden-size",
                                          "4096",
                                          "--ffn-hidden-size",
                                          "11008",
                                          "--num-attention-heads",
                                          "32",
                                          "--seq-length",
                                          "4096",
                                          "--max-position-embeddings",
                                          "4096",
                                          "--use-rotary-position-embeddings",
                                          "--no-position-embedding",
                                          "--normalization",
                                          "RMSNorm",
                                          "--norm-epsilon",
                                          "1e-5",
                                          "--swiglu",
                                          "--untie-embeddings-and-output-weights",
                                          "--init-method-std",
                                          "0.02",
                                          "--micro-batch-size",
                                          "1",
                                          "--global-batch-size",
                                          "1024",
                                          "--train-iters",
                                          "25000",
                                          "--optimizer",
                                          "adam",
                                          "--adam-beta1",
                                          "0.9",
                                          "--adam-beta2",
                                          "0.95",
                                          "--lr",
                                          "1e-4",
                                          "--min-lr",
                                          "3.3e-6",
                                          "--lr-decay-style",
                                          "cosine",
                                          "--lr-warmup-iters",
                                          "1000",
                                          "--weight-decay",
                                          "0.1",
                                          "--clip-grad",
                                          "1",
                                          "--bf16",
                                          "--attention-dropout",
                                          "0.0",
                                          "--hidden-dropout",
                                          "0.0",
                                          "--no-masked-softmax-fusion",
                                          "--no-query-key-layer-scaling",
                                          "--use-flash-attn",
                                          "--recompute-activations",
                                          "--recompute-granularity",
                                          "selective",
                                          "--tokenizer-type",
                                          "Llama2Tokenizer",
                                          "--tokenizer-model",
                                          "t.model",
                                          "--data-path",
                                          "1",
                                          "p",
                                          "2",
                                          "q",
                                          "--split",
                                          "949,50,1",
                                          "--use-checkpoint-args",
                                          "--load",
                                          "run",
                                          "--save",
                                          "run",
                                          "--no-load-rng",
                                          "--save-interval",
                                          "500",
                                          "--eval-interval",
                                          "100",
                                          "--eval-iters",
                                          "10",
                                          "--log-interval",
                                          "1",
                                          "--wandb-name",
                                          "n",
                                          "--wandb-project",
                                          "p",
                                          "--wandb-entity",
                                          "e"});
  REQUIRE(parsed.notices.size() == 1);
  CHECK(mentions(parsed.notices[0], {"--swiglu", "--use-mpi", "--wandb-entity"}));
  CHECK(parsed.notices[0].find("--lr") == std::string::npos);
  CHECK(parsed.config.training.recompute_granularity == Recompute::selective);
}

TEST_CASE("Megatron's precision-aware optimizer is taken where its state is fp32",
          "[unit][config]") {
  const ParsedCommandLine parsed =
      parse({"--use-precision-aware-optimizer", "--main-params-dtype", "fp32", "--main-grads-dtype",
             "fp32", "--exp-avg-dtype", "fp32", "--exp-avg-sq-dtype", "fp32"});
  CHECK(parsed.config.optimizer.use_precision_aware_optimizer);
  REQUIRE(parsed.notices.size() == 1);
  CHECK(mentions(parsed.notices[0], {"--main-params-dtype", "--exp-avg-sq-dtype"}));
}

TEST_CASE("Megatron flags that would change the maths are refused", "[unit][config]") {
  require_refused({
      {{"--normalization", "LayerNorm"}, {"--normalization LayerNorm", "RMSNorm"}},
      {{"--attention-dropout", "0.1"}, {"--attention-dropout 0.1", "0|0.0"}},
      {{"--hidden-dropout", "1"}, {"--hidden-dropout 1"}},
      {{"--optimizer", "sgd"}, {"--optimizer sgd", "adam"}},
      {{"--main-params-dtype", "fp16"}, {"--main-params-dtype fp16", "fp32"}},
      {{"--exp-avg-dtype", "fp8"}, {"--exp-avg-dtype fp8", "fp32"}},
      {{"--context-parallel-size", "2"}, {"--context-parallel-size 2"}},
      {{"--fp16"}, {"--fp16", "--bf16"}},
      {{"--group-query-attention"}, {"--group-query-attention", "--num-query-groups"}},
      {{"--max-position-embeddings", "128"}, {"--max-position-embeddings 128", "256"}},
      {{"--num-layers-per-virtual-pipeline-stage", "2"}, {"--pipeline-schedule"}},
  });
  CHECK(refusal({"--group-query-attention", "--num-query-groups", "2"}).empty());
}

TEST_CASE("a flag overrides the preset, and the preset what is built in", "[unit][config]") {
  const ParsedCommandLine parsed = parse({"--preset", "70b", "--lr", "1e-5", "--print-config"});
  CHECK(parsed.request == Request::print_config);
  CHECK(parsed.config.preset == "70b");
  CHECK(parsed.config.optimizer.lr == 1e-5);
  CHECK(parsed.config.optimizer.min_lr == 1.6e-6);
  CHECK(parsed.config.training.seed == 1234);
  CHECK(text_of(parsed.origins.at("lr")) == "command line");
  CHECK(text_of(parsed.origins.at("min_lr")) == "preset 70b");
  CHECK(text_of(parsed.origins.at("seed")) == "built-in");

  const std::vector<ConfigRow> rows = config_rows(parsed);
  CHECK(rows.size() == parsed.origins.size());
  const auto row = std::find_if(rows.begin(), rows.end(),
                                [](const ConfigRow& item) { return item.flag == "--lr"; });
  REQUIRE(row != rows.end());
  CHECK(row->value == "1e-05");
  CHECK(row->origin == "command line");
}

TEST_CASE("a shorthand counts as given on the command line", "[unit][config]") {
  const ParsedCommandLine parsed = parse({"--preset", "tiny", "--layernorm-epsilon", "1e-6"});
  CHECK(parsed.config.model.norm_epsilon == 1e-6);
  CHECK(text_of(parsed.origins.at("norm_epsilon")) == "command line");
}

TEST_CASE("the first word chooses the command, and flags alone mean train", "[unit][config]") {
  CHECK(parse({"--mock-data"}).command == "train");
  CHECK(parse({"train", "--mock-data"}).config.data.mock_data);
  const ParsedCommandLine other = parse({"preprocess", "--input", "x", "--help"});
  CHECK(other.command == "preprocess");
  CHECK(other.rest == std::vector<std::string>{"--input", "x", "--help"});
  CHECK(parse({}).request == Request::help);
  CHECK(parse({"-h"}).request == Request::help);
  CHECK(parse({"--version"}).request == Request::version);
  CHECK(parse({"--help-markdown"}).request == Request::help_markdown);
}

TEST_CASE("launch flags are not part of the configuration", "[unit][config]") {
  const ParsedCommandLine parsed = parse({"--nproc", "8", "--rendezvous", "host:1234"});
  CHECK(parsed.nproc == 8);
  CHECK(parsed.rendezvous == "host:1234");
  CHECK_FALSE(parsed.origins.contains("nproc"));
}

TEST_CASE("the help holds each flag once, on a line of at most 100 columns", "[unit][config]") {
  const std::string help = help_text();
  std::set<std::string> flags;
  std::set<std::string> own;  // of commands; two may have one of the same name
  std::string section;
  size_t begin = 0;
  while (begin < help.size()) {
    const size_t end = help.find('\n', begin);
    const std::string line = help.substr(begin, end - begin);
    CAPTURE(line);
    CHECK(line.size() <= 100);
    if (!line.empty() && !line.starts_with(" ")) section = line;
    if (line.starts_with("  --")) {
      const std::string flag = line.substr(2, line.find(' ', 2) - 2);
      const bool of_command = section.starts_with("Only for ");
      const bool is_new =
          of_command ? own.insert(section + flag).second : flags.insert(flag).second;
      CHECK(is_new);
      if (of_command) own.insert(flag);
    }
    begin = end + 1;
  }
  for (const std::string& flag : flags) CHECK_FALSE(own.contains(flag));
  for (const ConfigRow& row : config_rows(parse({"--mock-data"})))
    if (row.flag.starts_with("--")) {
      CAPTURE(row.flag);
      CHECK(flags.contains(row.flag));
    }
}

TEST_CASE("bench takes the flags of training and its own; training refuses these",
          "[unit][config]") {
  const ParsedCommandLine parsed =
      parse({"bench", "--preset", "tiny", "--bench-iters", "7", "--ops", "--lr", "0.1"});
  CHECK(parsed.command == "bench");
  CHECK(parsed.config.optimizer.lr == 0.1);
  CHECK(parsed.own == std::map<std::string, std::string>{{"bench-iters", "7"}, {"ops", ""}});
  CHECK(parse({"train", "--preset", "tiny"}).own.empty());
  require_refused({{{"--preset", "tiny", "--ops"}, {"unknown flag --ops"}},
                   {{"bench", "--bench-iter", "7"}, {"--bench-iters"}},
                   {{"bench", "--ops=1"}, {"--ops"}},
                   {{"benhc"}, {"benhc", "bench"}}});
}
