// Every setting of a run as plain data. Names are Megatron's long flags in snake_case; fields.h
// says for each its flag, help text and range, once. Values are validated once (validate.h) and
// const from then on. Settings that follow from others live in RunShape, computed by resolve().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace swallow {

enum class Backend : uint8_t { cpu, cuda };
enum class CommChoice : uint8_t { automatic, host, sockets, nccl };
enum class ParamsDtype : uint8_t { bf16, fp32, fp64 };
enum class Recompute : uint8_t { none, selective, full };
enum class PipelineSchedule : uint8_t { one_f_one_b, gpipe };
enum class LrDecayStyle : uint8_t { cosine, linear, constant };
enum class LogFormat : uint8_t { text, megatron };

struct ModelConfig {
  int64_t num_layers = 2;
  int64_t hidden_size = 64;
  int64_t ffn_hidden_size = 176;
  int64_t num_attention_heads = 4;
  int64_t num_query_groups = 0;  // key/value heads; 0: as many as heads
  int64_t vocab_size = 0;        // must be given: by the preset, a flag or the tokenizer
  int64_t make_vocab_size_divisible_by = 128;
  int64_t seq_length = 256;
  double rotary_base = 10000.0;
  double norm_epsilon = 1e-5;
  double init_method_std = 0.02;
};

struct ParallelConfig {
  int64_t tensor_model_parallel_size = 1;
  int64_t pipeline_model_parallel_size = 1;
  bool sequence_parallel = false;
  bool use_distributed_optimizer = true;
  PipelineSchedule pipeline_schedule = PipelineSchedule::one_f_one_b;
  int64_t ddp_bucket_size = 40'000'000;  // elements
  double distributed_timeout_minutes = 10.0;
  std::string phase_timeouts;  // limits other than the usual ones; see config/phase_limits.h
  Backend backend = Backend::cpu;
  CommChoice comm = CommChoice::automatic;
  bool gemm_tuning = true;     // measure a GPU's kernels for each matrix product
  std::string gemm_table_dir;  // where the results are kept; empty: the user's cache
  int64_t cpu_threads = 0;     // per rank; 0: the host's cores shared by its ranks
  // What the paper ran this preset on; a run that differs says so in its table.
  int64_t paper_data_parallel_size = 0;
  int64_t paper_nodes = 0;
};

struct TrainingConfig {
  int64_t micro_batch_size = 1;
  int64_t global_batch_size = 8;
  int64_t train_iters = 100;
  int64_t eval_interval = 100;
  int64_t eval_iters = 10;
  int64_t exit_interval = 0;           // 0: never
  double exit_duration_in_mins = 0.0;  // from the start of the job; 0: no limit
  std::string exit_at;                 // a point in time; empty: none
  std::string kill_switch;             // a file that ends the run when it appears; empty: none
  int64_t max_failed_attempts = 3;     // in a row, without a new checkpoint; 0: any number
  int64_t seed = 1234;
  ParamsDtype params_dtype = ParamsDtype::bf16;
  Recompute recompute_granularity = Recompute::none;
  bool deterministic_mode = false;
};

struct OptimizerConfig {
  double lr = 3e-4;
  double min_lr = 0.0;
  LrDecayStyle lr_decay_style = LrDecayStyle::cosine;
  int64_t lr_decay_iters = 0;  // 0: train_iters
  int64_t lr_warmup_iters = 0;
  double weight_decay = 0.1;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.95;
  double adam_eps = 1e-8;
  double clip_grad = 1.0;  // 0: no clipping
  bool use_precision_aware_optimizer = false;
};

struct DataConfig {
  std::vector<std::string> data_path;  // one prefix, or weight prefix weight prefix ...
  std::vector<std::string> train_data_path;
  std::vector<std::string> valid_data_path;
  std::vector<std::string> test_data_path;
  std::string split = "969,30,1";
  std::string tokenizer_model;  // recorded and exported; training needs only its vocabulary size
  bool mock_data = false;       // tokens from a counter-based generator, no files
};

struct CheckpointConfig {
  std::string save;                   // folder; empty: do not save
  std::string load;                   // folder; empty: start from random weights
  int64_t save_interval = 0;          // iterations; 0: only at the end
  bool async_save = false;            // write in the background, from a copy in host memory
  int64_t save_retain_interval = 0;   // keep multiples of it and the newest; 0: keep all
  int64_t most_recent_k = -1;         // keep this many of the newest; -1: keep all
  int64_t ckpt_step = -1;             // the iteration to load; -1: the newest good one
  std::string pretrained_checkpoint;  // whose weights to begin with where `load` holds nothing yet
  bool load_or_init = false;  // start from random weights when `load` holds no checkpoint yet
  bool finetune = false;      // take the weights only: iteration, optimizer and data start anew
  std::string export_hf;      // folder for the last weights as a Hugging Face folder; empty: none
  std::string accept_change;  // keys, with commas, that may differ from the checkpoint's
};

struct LogConfig {
  int64_t log_interval = 1;
  std::string log_dir;  // folder of metrics.jsonl and config.json; empty: `save`, or none
  LogFormat log_format = LogFormat::text;
  double peak_tflops = 0.0;        // per rank, for MFU; 0: not shown
  int64_t profile_step_start = 0;  // iteration; 0: no profiling, and a trace of early steps
  int64_t profile_step_end = 0;    // the first one that is not recorded any more
  std::string trace_dir;           // folder of trace-RANK.json; empty: no traces
  std::string tensorboard_dir;     // folder of event files; empty: none
};

struct RunConfig {
  std::string preset;  // its name, or empty
  ModelConfig model;
  ParallelConfig parallel;
  TrainingConfig training;
  OptimizerConfig optimizer;
  DataConfig data;
  CheckpointConfig checkpoint;
  LogConfig log;
};

}  // namespace swallow
