#include "train/start_point.h"

#include <spdlog/logger.h>

#include <string>

#include "base/check.h"
#include "checkpoint/checkpoint.h"
#include "config/config_json.h"
#include "train/resume_check.h"

namespace swallow {

namespace {

std::optional<int64_t> find_for_all(const std::string& folder, ControlPlane& control) {
  if (folder.empty()) return std::nullopt;
  std::string mine;
  if (control.rank() == 0)
    if (const auto newest = find_checkpoint(folder)) mine = std::to_string(*newest);
  const std::string answer = control.exchange(mine).front();
  return answer.empty() ? std::nullopt : std::optional<int64_t>(std::stoll(answer));
}

}  // namespace

StartPoint find_start(const RunConfig& config, ControlPlane& control, spdlog::logger& log) {
  const CheckpointConfig& checkpoint = config.checkpoint;
  // A wrong name is refused even where there is nothing to compare with yet.
  (void)accepted_changes(checkpoint.accept_change);
  const std::optional<int64_t> newest = find_for_all(checkpoint.load, control);
  if (!newest) {
    if (!checkpoint.load.empty() && !checkpoint.load_or_init)
      throw CheckpointError(
          "--load {}: no checkpoint there; expected a folder that --save has written, or "
          "--load-or-init to start from random weights",
          checkpoint.load);
    return {};
  }
  if (checkpoint.finetune) return {.checkpoint = newest};
  const CheckpointState state = read_checkpoint_state(checkpoint.load, *newest);
  const std::vector<std::string> changes = require_same_run(config, state, checkpoint.load);
  if (control.rank() == 0)
    for (const std::string& line : changes) log.warn("{}", line);
  return {.checkpoint = newest,
          .iteration = state.iteration,
          .consumed_samples = state.consumed_train_samples,
          .saved_training = config_from_json(state.config_json, checkpoint.load).training};
}

}  // namespace swallow
