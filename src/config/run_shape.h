// Facts that follow from a RunConfig and the number of ranks, derived once.
#pragma once

#include <cstdint>
#include <string>

#include "config/run_config.h"

namespace swallow {

struct RunShape {
  int world_size = 1;
  int tp = 1;
  int pp = 1;
  int dp = 1;                     // world_size / (tp * pp)
  int64_t num_microbatches = 1;   // global_batch_size / (micro_batch_size * dp)
  int64_t kv_heads = 0;           // num_query_groups, or the number of heads
  int64_t head_dim = 0;           // hidden_size / num_attention_heads
  int64_t padded_vocab_size = 0;  // multiple of make_vocab_size_divisible_by * tp
  int64_t lr_decay_iters = 0;     // lr_decay_iters, or train_iters
};

/// Checks every rule that spans fields, then derives. Throws ConfigError naming the flag, its value
/// and what would be accepted.
RunShape resolve(const RunConfig& config, int world_size);

/// The grid alone, for a command that trains nothing: the ranks must fill TP x PP x a whole number.
/// Only the first four members are set.
RunShape resolve_grid(const RunConfig& config, int world_size);

/// One line for the grid's table when the run's DP is not the one that the paper ran the preset
/// with; empty when it is, or when the preset records none.
std::string describe_paper_difference(const RunConfig& config, const RunShape& shape);

}  // namespace swallow
