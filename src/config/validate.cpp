// The rules that span options. Each refuses with the flags, their values and what would be
// accepted, before anything is allocated.
#include <algorithm>

#include "base/math.h"
#include "config/enum_names.h"
#include "config/fields.h"
#include "config/phase_limits.h"
#include "config/point_in_time.h"
#include "config/run_shape.h"
#include "config/value_text.h"

namespace swallow {
namespace {

// A RunConfig may also be made by hand or come from a checkpoint: check single values again.
void check_values(const RunConfig& config) {
  visit_fields(config, [](const auto& member, const FieldInfo& info) {
    using T = std::remove_cvref_t<decltype(member)>;
    if constexpr (std::is_same_v<T, int64_t> || std::is_same_v<T, double>)
      check_range(flag_of(info.key) + " ", member, info.range);
  });
}

void check_model(const ModelConfig& m) {
  if (m.vocab_size == 0)
    throw ConfigError("--vocab-size is not given; expected the tokenizer's number of tokens");
  if (m.hidden_size % m.num_attention_heads != 0)
    throw ConfigError("--hidden-size {}: expected a multiple of --num-attention-heads {}",
                      m.hidden_size, m.num_attention_heads);
  if ((m.hidden_size / m.num_attention_heads) % 2 != 0)
    throw ConfigError(
        "--hidden-size {} / --num-attention-heads {} = {}: expected an even head size, as rotary "
        "embedding turns pairs",
        m.hidden_size, m.num_attention_heads, m.hidden_size / m.num_attention_heads);
  if (m.num_query_groups != 0 && m.num_attention_heads % m.num_query_groups != 0)
    throw ConfigError("--num-query-groups {}: expected a divisor of --num-attention-heads {}",
                      m.num_query_groups, m.num_attention_heads);
}

void check_degrees(const ParallelConfig& p, int world_size) {
  const int64_t tp = p.tensor_model_parallel_size;
  const int64_t pp = p.pipeline_model_parallel_size;
  if (p.comm == CommChoice::nccl && p.backend != Backend::cuda)
    throw ConfigError("--comm nccl: expected auto or host with --backend {}", name_of(p.backend));
  if (world_size < 1 || world_size % (tp * pp) != 0)
    throw ConfigError(
        "{} ranks: expected a multiple of --tensor-model-parallel-size {} x "
        "--pipeline-model-parallel-size {} = {}",
        world_size, tp, pp, tp * pp);
}

void check_grid(const ModelConfig& m, const ParallelConfig& p, int world_size, int64_t kv_heads) {
  check_degrees(p, world_size);
  const int64_t tp = p.tensor_model_parallel_size;
  const int64_t pp = p.pipeline_model_parallel_size;
  const auto divides = [tp](std::string_view what, int64_t value) {
    if (value % tp != 0)
      throw ConfigError("--tensor-model-parallel-size {}: expected a divisor of {} {}", tp, what,
                        value);
  };
  divides("--num-attention-heads", m.num_attention_heads);
  divides("the key/value heads (they are not replicated), --num-query-groups", kv_heads);
  divides("--ffn-hidden-size", m.ffn_hidden_size);
  if (p.sequence_parallel) divides("(with --sequence-parallel) --seq-length", m.seq_length);
  if (pp > m.num_layers)
    throw ConfigError("--pipeline-model-parallel-size {}: expected at most --num-layers {}", pp,
                      m.num_layers);
}

void check_batch(const RunConfig& config, int64_t dp) {
  const TrainingConfig& t = config.training;
  if (t.global_batch_size % (t.micro_batch_size * dp) != 0)
    throw ConfigError(
        "--global-batch-size {}: expected a multiple of --micro-batch-size {} x data-parallel size "
        "{} (= ranks / TP / PP) = {}",
        t.global_batch_size, t.micro_batch_size, dp, t.micro_batch_size * dp);
  const double tokens = static_cast<double>(t.train_iters) *
                        static_cast<double>(t.global_batch_size) *
                        static_cast<double>(config.model.seq_length);
  if (tokens > 1e18)
    throw ConfigError(
        "--train-iters {} x --global-batch-size {} x --seq-length {}: expected at most 1e18 tokens",
        t.train_iters, t.global_batch_size, config.model.seq_length);
  if (t.params_dtype == ParamsDtype::fp64 && config.parallel.backend != Backend::cpu)
    throw ConfigError("--params-dtype fp64: expected bf16 or fp32 with --backend cuda");
  if (config.optimizer.use_precision_aware_optimizer && t.params_dtype != ParamsDtype::bf16)
    throw ConfigError(
        "--params-dtype {}: expected bf16 with --use-precision-aware-optimizer, whose masters are "
        "the weights and 16 bits",
        name_of(t.params_dtype));
}

void check_rate(const OptimizerConfig& o, int64_t decay_iters) {
  if (o.min_lr > o.lr) throw ConfigError("--min-lr {}: expected at most --lr {}", o.min_lr, o.lr);
  if (o.lr_warmup_iters >= decay_iters)
    throw ConfigError("--lr-warmup-iters {}: expected less than {} {}", o.lr_warmup_iters,
                      o.lr_decay_iters == 0 ? "--train-iters" : "--lr-decay-iters", decay_iters);
}

// One prefix, or pairs of a positive weight and a prefix.
void check_paths(std::string_view flag, const std::vector<std::string>& paths) {
  if (paths.size() <= 1) return;
  if (paths.size() % 2 != 0)
    throw ConfigError("{} with {} words: expected one prefix, or pairs: weight prefix ...", flag,
                      paths.size());
  for (size_t i = 0; i < paths.size(); i += 2)
    parse_real(fmt::format("{}, weight of {}: ", flag, printable(paths[i + 1])), paths[i],
               {.low = 0, .high = 1e15, .low_open = true});
}

void check_split(const std::string& split) {
  double sum = 0;
  size_t parts = 0;
  for (size_t at = 0; at <= split.size(); ++parts) {
    const size_t comma = std::min(split.find(',', at), split.size());
    sum += parse_real(fmt::format("--split {}: part ", printable(split)),
                      split.substr(at, comma - at), {0, 1e15});
    at = comma + 1;
  }
  if (parts > 3 || sum <= 0)
    throw ConfigError("--split {}: expected up to three shares with a positive sum, as 969,30,1",
                      printable(split));
}

void check_data(const DataConfig& d) {
  const int sources =
      (d.data_path.empty() ? 0 : 1) + (d.train_data_path.empty() ? 0 : 1) + (d.mock_data ? 1 : 0);
  if (sources == 0)
    throw ConfigError("no data is given; expected --data-path, --train-data-path or --mock-data");
  if (sources > 1)
    throw ConfigError("more than one source of data is given ({}{}{} ); expected one",
                      d.data_path.empty() ? "" : " --data-path",
                      d.train_data_path.empty() ? "" : " --train-data-path",
                      d.mock_data ? " --mock-data" : "");
  if (!d.valid_data_path.empty() && d.train_data_path.empty())
    throw ConfigError("--valid-data-path needs --train-data-path; --data-path is split instead");
  if (!d.test_data_path.empty() && d.train_data_path.empty())
    throw ConfigError("--test-data-path needs --train-data-path; --data-path is split instead");
  check_paths("--data-path", d.data_path);
  check_paths("--train-data-path", d.train_data_path);
  check_paths("--valid-data-path", d.valid_data_path);
  check_paths("--test-data-path", d.test_data_path);
  check_split(d.split);
}

void check_checkpoint(const CheckpointConfig& c) {
  if (c.load_or_init && c.load.empty()) throw ConfigError("--load-or-init needs --load <folder>");
  if (!c.export_hf.empty() && c.save.empty())
    throw ConfigError("--export-hf {}: needs --save <folder>, whose last checkpoint it exports",
                      printable(c.export_hf));
  if (c.finetune && !c.pretrained_checkpoint.empty())
    throw ConfigError(
        "--pretrained-checkpoint {}: contradicts --finetune, which begins anew every time",
        printable(c.pretrained_checkpoint));
  if (c.finetune && c.load.empty()) throw ConfigError("--finetune needs --load <folder>");
  if (c.ckpt_step >= 0 && c.load.empty())
    throw ConfigError("--ckpt-step {} needs --load <folder>", c.ckpt_step);
  if (c.async_save && c.save.empty()) throw ConfigError("--async-save needs --save <folder>");
  if (c.most_recent_k == 0)
    throw ConfigError("--most-recent-k 0: the newest is always kept; expected 1 or more, or -1");
  if (c.save_retain_interval > 0 &&
      (c.save_interval == 0 || c.save_retain_interval % c.save_interval != 0))
    throw ConfigError("--save-retain-interval {}: expected a multiple of --save-interval {}",
                      c.save_retain_interval, c.save_interval);
  if (!c.accept_change.empty() && (c.load.empty() || c.finetune))
    throw ConfigError("--accept-change {} needs --load <folder>, without --finetune",
                      printable(c.accept_change));
}

void check_ending(const RunConfig& config) {
  if (!config.training.exit_at.empty()) parse_point_in_time("--exit-at ", config.training.exit_at);
  parse_phase_limits(config.parallel.phase_timeouts);
}

void check_profile(const LogConfig& log, Backend backend) {
  if (log.profile_step_start == 0 && log.profile_step_end == 0) return;
  if (backend != Backend::cuda && log.trace_dir.empty())
    throw ConfigError(
        "--profile-step-start {}: expected 0 with --backend cpu and no --trace-dir: the window is "
        "CUDA's",
        log.profile_step_start);
  if (log.profile_step_start == 0 || log.profile_step_end <= log.profile_step_start)
    throw ConfigError(
        "--profile-step-end {}: expected more than --profile-step-start {}, which must be at least "
        "1",
        log.profile_step_end, log.profile_step_start);
}

}  // namespace

RunShape resolve_grid(const RunConfig& config, int world_size) {
  check_values(config);
  check_degrees(config.parallel, world_size);
  RunShape shape;
  shape.world_size = world_size;
  shape.tp = narrow<int>(config.parallel.tensor_model_parallel_size);
  shape.pp = narrow<int>(config.parallel.pipeline_model_parallel_size);
  shape.dp = world_size / (shape.tp * shape.pp);
  return shape;
}

RunShape resolve(const RunConfig& config, int world_size) {
  check_values(config);
  const ModelConfig& model = config.model;
  const ParallelConfig& parallel = config.parallel;
  check_model(model);
  const int64_t kv_heads =
      model.num_query_groups == 0 ? model.num_attention_heads : model.num_query_groups;
  check_grid(model, parallel, world_size, kv_heads);
  RunShape shape = resolve_grid(config, world_size);
  shape.kv_heads = kv_heads;
  check_batch(config, shape.dp);
  shape.num_microbatches =
      exact_div(config.training.global_batch_size, config.training.micro_batch_size * shape.dp);
  shape.head_dim = exact_div(model.hidden_size, model.num_attention_heads);
  shape.padded_vocab_size =
      round_up(model.vocab_size, model.make_vocab_size_divisible_by * shape.tp);
  const OptimizerConfig& optimizer = config.optimizer;
  shape.lr_decay_iters =
      optimizer.lr_decay_iters == 0 ? config.training.train_iters : optimizer.lr_decay_iters;
  check_rate(optimizer, shape.lr_decay_iters);
  check_data(config.data);
  check_checkpoint(config.checkpoint);
  check_profile(config.log, parallel.backend);
  check_ending(config);
  return shape;
}

std::string describe_paper_difference(const RunConfig& config, const RunShape& shape) {
  const int64_t paper_dp = config.parallel.paper_data_parallel_size;
  if (paper_dp == 0 || paper_dp == shape.dp) return {};
  return fmt::format(
      "preset {}: the paper ran it with DP {} on {} nodes; this run has DP {} ({} ranks), so each "
      "rank does {} microbatches per step",
      printable(config.preset), paper_dp, config.parallel.paper_nodes, shape.dp, shape.world_size,
      shape.num_microbatches);
}

}  // namespace swallow
