#include "config/megatron_flags.h"

#include <array>

#include "base/check.h"
#include "config/value_text.h"

namespace swallow {
namespace {

constexpr std::array kShorthands{
    Shorthand{"bf16", "params_dtype", "bf16"},
    Shorthand{"recompute-activations", "recompute_granularity", "selective", true},
    Shorthand{"layernorm-epsilon", "norm_epsilon", ""},
    // Swallow's scripts begin so from converted weights, which have neither state nor iteration.
    Shorthand{"no-load-optim", "finetune", kOn, false,
              "--no-load-optim is taken as --finetune: the weights only, from step 0"},
};

constexpr std::string_view kZero = "0|0.0";

constexpr std::array kForeignFlags{
    // Always so in Llama 2.
    ForeignFlag{"swiglu", Arity::none, "", ""},
    ForeignFlag{"normalization", Arity::one, "RMSNorm", ""},
    ForeignFlag{"use-rotary-position-embeddings", Arity::none, "", ""},
    ForeignFlag{"no-position-embedding", Arity::none, "", ""},
    ForeignFlag{"position-embedding-type", Arity::one, "rope", ""},
    ForeignFlag{"rotary-percent", Arity::one, "1|1.0", ""},
    ForeignFlag{"untie-embeddings-and-output-weights", Arity::none, "", ""},
    ForeignFlag{"disable-bias-linear", Arity::none, "", ""},
    ForeignFlag{"group-query-attention", Arity::none, "", ""},
    ForeignFlag{"max-position-embeddings", Arity::one, "", ""},
    ForeignFlag{"attention-dropout", Arity::one, kZero, ""},
    ForeignFlag{"hidden-dropout", Arity::one, kZero, ""},
    ForeignFlag{"optimizer", Arity::one, "adam", ""},
    ForeignFlag{"main-params-dtype", Arity::one, "fp32", ""},
    ForeignFlag{"main-grads-dtype", Arity::one, "fp32", ""},
    ForeignFlag{"exp-avg-dtype", Arity::one, "fp32", ""},
    ForeignFlag{"exp-avg-sq-dtype", Arity::one, "fp32", ""},
    ForeignFlag{"context-parallel-size", Arity::one, "1", ""},
    ForeignFlag{"expert-model-parallel-size", Arity::one, "1", ""},
    // How Megatron computes or starts, not what.
    ForeignFlag{"use-mpi", Arity::none, "", ""},
    ForeignFlag{"use-mcore-models", Arity::none, "", ""},
    ForeignFlag{"use-flash-attn", Arity::none, "", ""},
    ForeignFlag{"transformer-impl", Arity::one, "local|transformer_engine", ""},
    ForeignFlag{"distributed-backend", Arity::one, "nccl|gloo", ""},
    ForeignFlag{"no-masked-softmax-fusion", Arity::none, "", ""},
    ForeignFlag{"no-bias-gelu-fusion", Arity::none, "", ""},
    ForeignFlag{"no-bias-swiglu-fusion", Arity::none, "", ""},
    ForeignFlag{"no-bias-dropout-fusion", Arity::none, "", ""},
    ForeignFlag{"no-gradient-accumulation-fusion", Arity::none, "", ""},
    ForeignFlag{"no-query-key-layer-scaling", Arity::none, "", ""},
    ForeignFlag{"accumulate-allreduce-grads-in-fp32", Arity::none, "", ""},
    ForeignFlag{"overlap-grad-reduce", Arity::none, "", ""},
    ForeignFlag{"overlap-param-gather", Arity::none, "", ""},
    ForeignFlag{"num-workers", Arity::one, "", ""},
    ForeignFlag{"dataloader-type", Arity::one, "single", ""},
    ForeignFlag{"tokenizer-type", Arity::one, "", ""},
    ForeignFlag{"exit-on-missing-checkpoint", Arity::none, "", ""},
    ForeignFlag{"no-load-rng", Arity::none, "", ""},
    ForeignFlag{"no-save-rng", Arity::none, "", ""},
    ForeignFlag{"log-throughput", Arity::none, "", ""},
    ForeignFlag{"wandb-name", Arity::one, "", ""},
    ForeignFlag{"wandb-exp-name", Arity::one, "", ""},
    ForeignFlag{"wandb-project", Arity::one, "", ""},
    ForeignFlag{"wandb-entity", Arity::one, "", ""},
    // These would change what is computed.
    ForeignFlag{"fp16", Arity::none, "", "there is no loss scaling; use --bf16"},
    ForeignFlag{"add-bias-linear", Arity::none, "", "Llama 2 has no biases"},
    ForeignFlag{"add-qkv-bias", Arity::none, "", "Llama 2 has no biases"},
    ForeignFlag{"use-rope-scaling", Arity::none, "", "Llama 2 does not scale its rotary angles"},
    ForeignFlag{"rampup-batch-size", Arity::many, "", "the batch size is constant"},
    ForeignFlag{"num-layers-per-virtual-pipeline-stage", Arity::one, "",
                "there is no interleaved schedule; use --pipeline-schedule 1f1b"},
};

constexpr std::array kOtherNames{
    OtherName{"learning-rate", "lr"},
    OtherName{"per-device-train-batch-size", "micro-batch-size"},
    OtherName{"batch-size", "global-batch-size"},
    OtherName{"gradient-accumulation-steps", "global-batch-size"},
    OtherName{"max-steps", "train-iters"},
    OtherName{"warmup-steps", "lr-warmup-iters"},
    OtherName{"lr-scheduler-type", "lr-decay-style"},
    OtherName{"max-grad-norm", "clip-grad"},
    OtherName{"adam-epsilon", "adam-eps"},
    OtherName{"save-steps", "save-interval"},
    OtherName{"eval-steps", "eval-interval"},
    OtherName{"logging-steps", "log-interval"},
    OtherName{"logging-dir", "log-dir"},
    OtherName{"output-dir", "save"},
    OtherName{"resume-from-checkpoint", "load"},
    OtherName{"gradient-checkpointing", "recompute-granularity"},
    OtherName{"num-hidden-layers", "num-layers"},
    OtherName{"num-key-value-heads", "num-query-groups"},
    OtherName{"intermediate-size", "ffn-hidden-size"},
    OtherName{"rms-norm-eps", "norm-epsilon"},
    OtherName{"rope-theta", "rotary-base"},
    OtherName{"tp", "tensor-model-parallel-size"},
    OtherName{"pp", "pipeline-model-parallel-size"},
};

bool is_listed(std::string_view list, std::string_view value) {
  while (!list.empty()) {
    const size_t bar = list.find('|');
    if (list.substr(0, bar) == value) return true;
    list = bar == std::string_view::npos ? std::string_view{} : list.substr(bar + 1);
  }
  return false;
}

}  // namespace

std::span<const Shorthand> shorthands() {
  return kShorthands;
}

std::span<const ForeignFlag> foreign_flags() {
  return kForeignFlags;
}

std::span<const OtherName> other_names() {
  return kOtherNames;
}

void check_foreign_flag(const ForeignFlag& flag, const std::vector<std::string>& values) {
  if (!flag.refusal.empty()) throw ConfigError("--{} is refused: {}", flag.name, flag.refusal);
  if (flag.accepts.empty()) return;
  for (const std::string& value : values)
    if (!is_listed(flag.accepts, value))
      throw ConfigError("--{} {}: expected {}; nothing else is implemented", flag.name,
                        printable(value), flag.accepts);
}

}  // namespace swallow
