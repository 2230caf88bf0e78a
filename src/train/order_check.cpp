#include "train/order_check.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "train/resume_check.h"

namespace swallow {

namespace {

struct Setting {
  std::string_view key;
  int64_t TrainingConfig::*member;
};

constexpr std::array kSettings = {Setting{"train_iters", &TrainingConfig::train_iters},
                                  Setting{"eval_interval", &TrainingConfig::eval_interval},
                                  Setting{"eval_iters", &TrainingConfig::eval_iters}};

}  // namespace

DataOptions data_options(const RunConfig& config, const StartPoint& start) {
  return {.data_path = config.data.data_path,
          .train_data_path = config.data.train_data_path,
          .valid_data_path = config.data.valid_data_path,
          .test_data_path = config.data.test_data_path,
          .split = config.data.split,
          .seed = config.training.seed,
          .seq_length = config.model.seq_length,
          .global_batch_size = config.training.global_batch_size,
          .train_iters = config.training.train_iters,
          .done_iters = start.iteration,
          .consumed_samples = start.consumed_samples,
          .eval_interval = config.training.eval_interval,
          .eval_iters = config.training.eval_iters,
          .mock = config.data.mock_data,
          .vocab_size = config.model.vocab_size};
}

std::vector<std::string> require_same_order(const RunConfig& config, const StartPoint& start,
                                            FileList& files) {
  if (!start.saved_training) return {};
  const std::vector<std::string> accepted = accepted_changes(config.checkpoint.accept_change);
  RunConfig saved = config;  // but for the settings in question
  std::string differences;
  std::vector<std::string_view> keys;
  std::vector<std::string_view> refused;
  for (const auto& [key, member] : kSettings) {
    const int64_t before = saved.training.*member = *start.saved_training.*member;
    const int64_t now = config.training.*member;
    if (before == now) continue;
    differences += fmt::format("\n  {}: saved {}, now {}", key, before, now);
    keys.push_back(key);
    if (std::find(accepted.begin(), accepted.end(), key) == accepted.end()) refused.push_back(key);
  }
  std::vector<std::string> changes;
  if (!keys.empty())
    changes = order_changes(data_options(saved, start), data_options(config, start), files);
  if (!changes.empty() && !refused.empty())
    throw CheckpointError(
        "--load {}: the run would go on in another order of samples than it began with:{}\n  {}\n"
        "expected the same values, or --accept-change {} to go on in the new order, where some "
        "samples may come twice or never",
        config.checkpoint.load, differences, fmt::join(changes, "\n  "), fmt::join(keys, ","));
  std::vector<std::string> lines;
  for (const auto& [key, member] : kSettings) {
    if (std::find(accepted.begin(), accepted.end(), key) == accepted.end()) continue;
    const int64_t before = *start.saved_training.*member;
    const int64_t now = config.training.*member;
    if (changes.empty() || before == now)
      lines.push_back(fmt::format(
          "--accept-change {}: not needed, the order of samples does not change with it", key));
    else
      lines.push_back(fmt::format("--accept-change {}: {} -> {}: {}; some may come twice or never",
                                  key, before, now, fmt::join(changes, "; ")));
  }
  return lines;
}

}  // namespace swallow
