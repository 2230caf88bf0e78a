// The one list of options. visit_fields names each member of RunConfig once, with its JSON key,
// group, help text and range; flags, --help, JSON in and out, the config record, range checks and
// the README's table are visitors of this list. An option's flag is its key with dashes.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

#include "config/run_config.h"

namespace swallow {

/// What a number may be. An open end excludes its bound.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;
  bool high_open = false;
};

enum class Group : uint8_t { model, parallel, training, optimizer, data, checkpoint, logging };

/// Everything about an option except where its value lives.
struct FieldInfo {
  Group group;
  std::string_view key;   ///< snake_case, as in JSON
  std::string_view help;  ///< one line, with the unit
  Range range{};
  bool has_flag = true;  ///< false: set by presets only
};

/// Binds a group to a visitor, so that the lists below read as a table.
template <class Visitor>
struct GroupFields {
  Group group;
  Visitor& visit;

  template <class Member>
  void operator()(Member& member, std::string_view key, std::string_view help, Range range = {}) {
    visit(member, FieldInfo{.group = group, .key = key, .help = help, .range = range});
  }
  template <class Member>
  void preset_only(Member& member, std::string_view key, std::string_view help, Range range) {
    visit(member, FieldInfo{group, key, help, range, false});
  }
};

// Bounds are far above any real run; they keep products of sizes inside 64 bits.
template <class Config, class Visitor>
void visit_model_fields(Config& c, Visitor& visit) {
  GroupFields<Visitor> field{Group::model, visit};
  field(c.num_layers, "num_layers", "transformer layers", {1, 10'000});
  field(c.hidden_size, "hidden_size", "width of the residual stream", {2, 1 << 20});
  field(c.ffn_hidden_size, "ffn_hidden_size", "width of the SwiGLU feed-forward", {1, 1 << 22});
  field(c.num_attention_heads, "num_attention_heads", "query heads", {1, 1 << 16});
  field(c.num_query_groups, "num_query_groups", "key/value heads; 0: one per query head",
        {0, 1 << 16});
  field(c.vocab_size, "vocab_size", "tokens in the tokenizer; 0: not given", {0, 1 << 24});
  field(c.make_vocab_size_divisible_by, "make_vocab_size_divisible_by",
        "pad the vocabulary to a multiple of this x TP", {1, 1 << 16});
  field(c.seq_length, "seq_length", "tokens per sequence", {1, 1 << 24});
  field(c.rotary_base, "rotary_base", "theta of the rotary embedding",
        {.low = 0, .high = 1e12, .low_open = true});
  field(c.norm_epsilon, "norm_epsilon", "epsilon of RMSNorm",
        {.low = 0, .high = 1, .low_open = true});
  field(c.init_method_std, "init_method_std", "standard deviation of the initial weights",
        {.low = 0, .high = 10});
}

template <class Config, class Visitor>
void visit_parallel_fields(Config& c, Visitor& visit) {
  GroupFields<Visitor> field{Group::parallel, visit};
  field(c.tensor_model_parallel_size, "tensor_model_parallel_size", "ranks that share each matrix",
        {1, 1024});
  field(c.pipeline_model_parallel_size, "pipeline_model_parallel_size",
        "stages the layers are split into", {1, 1024});
  field(c.sequence_parallel, "sequence_parallel",
        "split norms along the sequence over the TP ranks");
  field(c.use_distributed_optimizer, "use_distributed_optimizer",
        "shard optimizer state over the DP ranks");
  field(c.pipeline_schedule, "pipeline_schedule", "order of forwards and backwards");
  field(c.ddp_bucket_size, "ddp_bucket_size", "gradient bucket [elements]", {1, 1e12});
  field(c.distributed_timeout_minutes, "distributed_timeout_minutes",
        "wait for a peer at most this long [minutes]",
        {.low = 0, .high = 100'000, .low_open = true});
  field(c.phase_timeouts, "phase_timeouts", "watchdog [minutes]: setup=60,step=30; 0: none");
  field(c.backend, "backend", "where the ranks compute");
  field(c.comm, "comm", "transport; auto: NCCL; shared memory or TCP");
  field(c.gemm_tuning, "gemm_tuning", "GPU: measure the kernels of each product once");
  field(c.gemm_table_dir, "gemm_table_dir", "folder of the results; none: the user's cache");
  field(c.cpu_threads, "cpu_threads", "threads per rank; 0: a fair share of the cores", {0, 4096});
  field.preset_only(c.paper_data_parallel_size, "paper_data_parallel_size",
                    "DP degree the Swallow paper ran this preset on; 0: none", {0, 1 << 20});
  field.preset_only(c.paper_nodes, "paper_nodes", "nodes of 8 GPUs it ran on; 0: none",
                    {0, 1 << 20});
}

template <class Config, class Visitor>
void visit_training_fields(Config& c, Visitor& visit) {
  GroupFields<Visitor> field{Group::training, visit};
  field(c.micro_batch_size, "micro_batch_size", "sequences per rank and pass", {1, 1 << 20});
  field(c.global_batch_size, "global_batch_size", "sequences per step over all ranks",
        {1, 1 << 24});
  field(c.train_iters, "train_iters", "optimizer steps", {1, 1'000'000'000});
  field(c.eval_interval, "eval_interval", "steps between evaluations", {1, 1'000'000'000});
  field(c.eval_iters, "eval_iters", "batches per evaluation; 0: do not evaluate", {0, 1'000'000});
  field(c.exit_interval, "exit_interval", "save and stop at multiples of it; 0: never",
        {0, 1'000'000'000});
  field(c.exit_duration_in_mins, "exit_duration_in_mins",
        "save, stop at this age of the job [minutes]; 0: none", {.low = 0, .high = 1e7});
  field(c.exit_at, "exit_at", "save and stop before this time: 2026-01-31T18:30");
  field(c.kill_switch, "kill_switch", "save and end with 0 once this file exists");
  field(c.max_failed_attempts, "max_failed_attempts",
        "jobs that may die without a new save; 0: any number", {0, 1'000'000});
  field(c.seed, "seed", "seed of weights and data order", {0, 4'294'967'295.0});
  field(c.params_dtype, "params_dtype", "parameters and activations (fp64: CPU only)");
  field(c.recompute_granularity, "recompute_granularity", "what the backward computes again");
  field(c.deterministic_mode, "deterministic_mode", "the same bits on every run, also on GPUs");
}

template <class Config, class Visitor>
void visit_optimizer_fields(Config& c, Visitor& visit) {
  GroupFields<Visitor> field{Group::optimizer, visit};
  field(c.lr, "lr", "peak learning rate", {.low = 0, .high = 100});
  field(c.min_lr, "min_lr", "learning rate at the end of the decay", {.low = 0, .high = 100});
  field(c.lr_decay_style, "lr_decay_style", "shape of the decay");
  field(c.lr_decay_iters, "lr_decay_iters", "steps of warm-up and decay; 0: train-iters",
        {0, 1'000'000'000});
  field(c.lr_warmup_iters, "lr_warmup_iters", "steps of linear warm-up", {0, 1'000'000'000});
  field(c.weight_decay, "weight_decay", "decoupled decay of matrices; norms are spared",
        {.low = 0, .high = 100});
  field(c.adam_beta1, "adam_beta1", "decay of the first moment",
        {.low = 0, .high = 1, .high_open = true});
  field(c.adam_beta2, "adam_beta2", "decay of the second moment",
        {.low = 0, .high = 1, .high_open = true});
  field(c.adam_eps, "adam_eps", "added to the root of the second moment",
        {.low = 0, .high = 1, .low_open = true});
  field(c.clip_grad, "clip_grad", "largest global gradient norm; 0: no clipping",
        {.low = 0, .high = 1e9});
  field(c.use_precision_aware_optimizer, "use_precision_aware_optimizer",
        "exact fp32 masters as bf16 weights + 2 bytes");
}

template <class Config, class Visitor>
void visit_data_fields(Config& c, Visitor& visit) {
  GroupFields<Visitor> field{Group::data, visit};
  field(c.data_path, "data_path", "prefix of .bin/.idx, or: weight prefix ...");
  field(c.train_data_path, "train_data_path", "as data-path, for training only");
  field(c.valid_data_path, "valid_data_path", "as data-path, for validation only");
  field(c.test_data_path, "test_data_path", "as data-path, for the test after training");
  field(c.split, "split", "shares of training, validation, test text");
  field(c.tokenizer_model, "tokenizer_model", "SentencePiece file, recorded and exported");
  field(c.mock_data, "mock_data", "generated tokens, no files");
}

template <class Config, class Visitor>
void visit_checkpoint_fields(Config& c, Visitor& visit) {
  GroupFields<Visitor> field{Group::checkpoint, visit};
  field(c.save, "save", "folder to save checkpoints in");
  field(c.load, "load", "folder of a run, or Hugging Face's");
  field(c.save_interval, "save_interval", "steps between saves; 0: only at the end",
        {0, 1'000'000'000});
  field(c.async_save, "async_save", "write checkpoints in the background, from a copy");
  field(c.save_retain_interval, "save_retain_interval",
        "keep saves at multiples of it and the newest; 0: all", {0, 1'000'000'000});
  field(c.most_recent_k, "most_recent_k", "keep this many of the newest saves; -1: all",
        {-1, 1'000'000'000});
  field(c.ckpt_step, "ckpt_step", "load exactly this iteration; -1: the newest good",
        {-1, 1'000'000'000});
  field(c.pretrained_checkpoint, "pretrained_checkpoint", "weights to begin with if load is empty");
  field(c.load_or_init, "load_or_init", "random weights when load is still empty");
  field(c.finetune, "finetune", "take the weights only, start at step 0");
  field(c.export_hf, "export_hf", "folder for the last weights, Hugging Face's way");
  field(c.accept_change, "accept_change", "keys that may differ from the save: seed,split");
}

template <class Config, class Visitor>
void visit_log_fields(Config& c, Visitor& visit) {
  GroupFields<Visitor> field{Group::logging, visit};
  field(c.log_interval, "log_interval", "steps between lines", {1, 1'000'000'000});
  field(c.log_dir, "log_dir", "folder of metrics.jsonl; none: that of --save");
  field(c.log_format, "log_format", "step line: ours, or the fields of Megatron's");
  field(c.peak_tflops, "peak_tflops", "peak of one rank [TFLOPS], for MFU; 0: no MFU",
        {.low = 0, .high = 1e6});
  field(c.profile_step_start, "profile_step_start",
        "step whose start opens a profiler's window; 0: none", {0, 1'000'000'000});
  field(c.profile_step_end, "profile_step_end", "step whose start closes it", {0, 1'000'000'000});
  field(c.trace_dir, "trace_dir", "folder of the window's timelines, for Perfetto");
  field(c.tensorboard_dir, "tensorboard_dir", "folder of event files");
}

/// Calls visit(member, const FieldInfo&) for every option, in the order of the help. `Config` is
/// RunConfig or const RunConfig.
template <class Config, class Visitor>
void visit_fields(Config& config, Visitor&& visit) {
  visit_model_fields(config.model, visit);
  visit_parallel_fields(config.parallel, visit);
  visit_training_fields(config.training, visit);
  visit_optimizer_fields(config.optimizer, visit);
  visit_data_fields(config.data, visit);
  visit_checkpoint_fields(config.checkpoint, visit);
  visit_log_fields(config.log, visit);
}

}  // namespace swallow
