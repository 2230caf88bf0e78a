// The flags of the run scripts that Swallow and its neighbours trained with on ABCI, mdx, Sakura
// and Wisteria (rioyokotalab/Megatron-Llama2, scripts/), put together here from what they have in
// common and what each has of its own. Each must be taken as it is and mean what it meant there.
#include <algorithm>
#include <catch2/catch.hpp>

#include "config/cli.h"
#include "config/run_shape.h"

using namespace swallow;

namespace {

using Words = std::vector<std::string>;

struct Model {
  const char* layers;
  const char* hidden;
  const char* ffn;
  const char* heads;
};
constexpr Model k7b{"32", "4096", "11008", "32"};
constexpr Model k13b{"40", "5120", "13824", "40"};
constexpr Model k70b{"80", "8192", "28672", "64"};

enum class Start : uint8_t { converted_weights, own_checkpoint, random_weights };

struct Script {
  const char* name;
  Model model;
  int ranks, tp, pp, micro_batch;
  const char* lr;
  const char* min_lr;
  const char* warmup = "1000";
  const char* iters = "25000";
  const char* epsilon = "1e-5";
  const char* save_interval = "500";
  Start start = Start::converted_weights;
  Words extra = {"--no-query-key-layer-scaling", "--recompute-granularity", "selective"};
  size_t notices = 2;  // of flags without effect, and of --no-load-optim
};

/// What is behind the program's name.
Words flags_of(const Script& script) {
  const Model& m = script.model;
  Words words = {"--tensor-model-parallel-size", std::to_string(script.tp),
                 "--pipeline-model-parallel-size", std::to_string(script.pp)};
  const auto add = [&](const Words& more) { words.insert(words.end(), more.begin(), more.end()); };
  add({"--sequence-parallel", "--use-distributed-optimizer", "--distributed-backend", "nccl"});
  add({"--num-layers", m.layers, "--hidden-size", m.hidden, "--ffn-hidden-size", m.ffn});
  add({"--num-attention-heads", m.heads, "--seq-length", "4096"});
  add({"--max-position-embeddings", "4096", "--init-method-std", "0.02"});
  add({"--micro-batch-size", std::to_string(script.micro_batch), "--global-batch-size", "1024"});
  add({"--train-iters", script.iters, "--lr", script.lr, "--min-lr", script.min_lr});
  add({"--lr-decay-style", "cosine", "--lr-warmup-iters", script.warmup, "--weight-decay", "0.1"});
  add({"--clip-grad", "1", "--optimizer", "adam", "--adam-beta1", "0.9", "--adam-beta2", "0.95"});
  add({"--log-interval", "1", "--save-interval", script.save_interval, "--eval-interval", "100"});
  add({"--eval-iters", "10", "--bf16", "--untie-embeddings-and-output-weights"});
  add({"--use-rotary-position-embeddings", "--normalization", "RMSNorm", "--norm-epsilon"});
  add({script.epsilon, "--no-position-embedding", "--no-masked-softmax-fusion"});
  add({"--attention-dropout", "0.0", "--hidden-dropout", "0.0", "--swiglu", "--use-flash-attn"});
  add({"--recompute-activations", "--use-mpi", "--tokenizer-model", "tok.model", "--save", "run"});
  add({"--wandb-name", "job-DP=4-LR=5e-5", "--wandb-project", "p", "--wandb-entity", "e"});
  add(script.extra);
  if (script.start == Start::random_weights) {
    add({"--tokenizer-type", "SentencePieceTokenizer", "--train-data-path", "2", "ja", "1", "en"});
    add({"--valid-data-path", "1", "v", "--test-data-path", "1", "v"});
    return words;
  }
  add({"--use-checkpoint-args", "--tokenizer-type", "Llama2Tokenizer", "--split", "949,50,1"});
  add({"--data-path", "1703001349", "ja_wiki_text_document", "7104827439", "web_text_document"});
  if (script.start == Start::converted_weights)
    add({"--load", "converted", "--no-load-rng", "--no-load-optim"});
  else
    add({"--load", "run"});
  return words;
}

const std::vector<Script>& scripts() {
  const Words full = {"--no-query-key-layer-scaling", "--recompute-granularity", "full"};
  const Words engine = {"--transformer-impl", "transformer_engine", "--recompute-granularity",
                        "selective"};
  const Words llm_jp = {"--disable-bias-linear",
                        "--no-bias-gelu-fusion",
                        "--group-query-attention",
                        "--num-query-groups",
                        "32",
                        "--no-query-key-layer-scaling",
                        "--recompute-granularity",
                        "selective"};
  static const std::vector<Script> list = {
      {"ABCI 7B, 2 nodes", k7b, 16, 2, 2, 1, "1e-4", "3.3e-6"},
      {"ABCI 7B, 4 nodes", k7b, 32, 2, 2, 1, "1e-4", "3.3e-6"},
      {.name = "ABCI 7B chat, 8 nodes",
       .model = k7b,
       .ranks = 64,
       .tp = 2,
       .pp = 2,
       .micro_batch = 1,
       .lr = "1e-4",
       .min_lr = "3.3e-6",
       .epsilon = "1e-6",
       .save_interval = "400"},
      {"ABCI 13B, 8 nodes", k13b, 64, 2, 4, 1, "1e-4", "3.3e-6"},
      {.name = "ABCI 13B llm-jp, 16 nodes, recompute given twice",
       .model = k13b,
       .ranks = 128,
       .tp = 2,
       .pp = 4,
       .micro_batch = 1,
       .lr = "1e-4",
       .min_lr = "3.3e-6",
       .extra = full,
       .notices = 3},
      {.name = "ABCI 70B, 32 nodes",
       .model = k70b,
       .ranks = 256,
       .tp = 8,
       .pp = 8,
       .micro_batch = 1,
       .lr = "5e-5",
       .min_lr = "1.6e-6",
       .save_interval = "100"},
      {.name = "ABCI 70B, 32 nodes, going on",
       .model = k70b,
       .ranks = 256,
       .tp = 8,
       .pp = 8,
       .micro_batch = 1,
       .lr = "5e-5",
       .min_lr = "1.6e-6",
       .start = Start::own_checkpoint,
       .notices = 1},
      {"ABCI 70B, 16 nodes", k70b, 128, 8, 8, 1, "5e-5", "1.6e-6"},
      {.name = "Sakura 7B, TP 1",
       .model = k7b,
       .ranks = 8,
       .tp = 1,
       .pp = 2,
       .micro_batch = 2,
       .lr = "1e-4",
       .min_lr = "3.3e-6",
       .start = Start::own_checkpoint,
       .extra = engine,
       .notices = 1},
      {"Wisteria 7B chat", k7b, 32, 2, 4, 1, "3e-5", "1e-5", "2000", "25000", "1e-5", "100"},
      {.name = "mdx 7B from random weights",
       .model = k7b,
       .ranks = 128,
       .tp = 2,
       .pp = 2,
       .micro_batch = 1,
       .lr = "3e-4",
       .min_lr = "3e-5",
       .warmup = "2000",
       .iters = "61000",
       .start = Start::random_weights,
       .extra = llm_jp,
       .notices = 1},
  };
  return list;
}

}  // namespace

TEST_CASE("each of Swallow's run scripts is taken as it is", "[unit][config]") {
  for (const Script& script : scripts()) {
    CAPTURE(script.name);
    const ParsedCommandLine parsed = parse_command_line(flags_of(script));
    CAPTURE(parsed.notices);
    CHECK(parsed.notices.size() == script.notices);
    RunConfig config = parsed.config;
    config.model.vocab_size = 43176;  // what their tokenizer has; no script says it
    const RunShape shape = resolve(config, script.ranks);
    CHECK(shape.tp == script.tp);
    CHECK(shape.pp == script.pp);
    CHECK(shape.dp == script.ranks / script.tp / script.pp);
    CHECK(shape.num_microbatches == 1024 / shape.dp / script.micro_batch);
    CHECK(shape.head_dim == 128);
    CHECK(shape.lr_decay_iters == std::stoll(script.iters));
    CHECK(config.optimizer.lr == std::stod(script.lr));
    CHECK(config.optimizer.min_lr == std::stod(script.min_lr));
    CHECK(config.optimizer.lr_warmup_iters == std::stoll(script.warmup));
    CHECK(config.model.norm_epsilon == std::stod(script.epsilon));
    CHECK(config.training.params_dtype == ParamsDtype::bf16);
    CHECK(config.training.recompute_granularity == Recompute::selective);
    CHECK(config.checkpoint.save_interval == std::stoll(script.save_interval));
    CHECK(config.checkpoint.finetune == (script.start == Start::converted_weights));
    CHECK(parsed.use_checkpoint_args == (script.start != Start::random_weights));
  }
}

TEST_CASE("Swallow's scripts set what the presets set", "[unit][config]") {
  for (const auto& [name, preset] :
       {std::pair("ABCI 13B, 8 nodes", "13b"), std::pair("ABCI 70B, 32 nodes", "70b")}) {
    CAPTURE(name);
    const auto script = std::ranges::find_if(
        scripts(), [&](const Script& item) { return item.name == std::string(name); });
    const ParsedCommandLine theirs = parse_command_line(flags_of(*script));
    Words words = {"--preset", preset};
    const ParsedCommandLine ours = parse_command_line(words);
    // No script names the vocabulary; the groups are the checkpoint's; what is recomputed is our
    // presets' own choice.
    const std::vector<std::string> free = {
        "--vocab-size", "--num-query-groups", "--recompute-granularity",
        "--data-path",  "--tokenizer-model",  "--load",
        "--save",       "--finetune"};
    const std::vector<ConfigRow> rows = config_rows(theirs);
    const std::vector<ConfigRow> expected = config_rows(ours);
    for (size_t i = 0; i < rows.size(); ++i) {
      if (std::ranges::count(free, rows[i].flag) > 0 || !rows[i].flag.starts_with("--")) continue;
      CAPTURE(rows[i].flag);
      CHECK(rows[i].value == expected[i].value);
    }
  }
}

TEST_CASE("the flag --no-load-optim means --finetune, and contradicts --no-finetune",
          "[unit][config]") {
  const ParsedCommandLine parsed = parse_command_line({"--load", "x", "--no-load-optim"});
  CHECK(parsed.config.checkpoint.finetune);
  CHECK(text_of(parsed.origins.at("finetune")) == "command line");
  REQUIRE(parsed.notices.size() == 1);
  CHECK_THAT(parsed.notices[0], Catch::Contains("--finetune"));
  CHECK_THROWS_WITH(parse_command_line({"--load", "x", "--no-load-optim", "--no-finetune"}),
                    Catch::Contains("--no-load-optim") && Catch::Contains("contradicts"));
}

TEST_CASE("the flag --recompute-activations wins over the granularity, as in Megatron",
          "[unit][config]") {
  const ParsedCommandLine parsed =
      parse_command_line({"--recompute-activations", "--recompute-granularity", "full"});
  CHECK(parsed.config.training.recompute_granularity == Recompute::selective);
  REQUIRE(parsed.notices.size() == 1);
  CHECK_THAT(parsed.notices[0], Catch::Contains("--recompute-granularity full"));
}
