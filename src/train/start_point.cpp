#include "train/start_point.h"

#include <spdlog/logger.h>

#include <string>

#include "base/check.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/hugging_face_folder.h"
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

/// Rank 0 decides what kind of folder it is.
bool is_hugging_face(const std::string& folder, ControlPlane& control) {
  if (folder.empty()) return false;
  const bool mine = control.rank() == 0 && is_hugging_face_folder(folder);
  return !control.exchange(mine ? "yes" : "").front().empty();
}

/// Weights without a run: every setting but the model's shape is free.
StartPoint start_from_hugging_face(const RunConfig& config) {
  const CheckpointConfig& checkpoint = config.checkpoint;
  if (!checkpoint.accept_change.empty())
    throw ConfigError("--accept-change {}: --load {} is a Hugging Face folder, no run to resume",
                      checkpoint.accept_change, checkpoint.load);
  require_same_model(config.model, read_hugging_face_config(checkpoint.load).model,
                     checkpoint.load);
  return {.hugging_face = true};
}

}  // namespace

StartPoint find_start(const RunConfig& config, ControlPlane& control, spdlog::logger& log) {
  const CheckpointConfig& checkpoint = config.checkpoint;
  // A wrong name is refused even where there is nothing to compare with yet.
  (void)accepted_changes(checkpoint.accept_change);
  if (is_hugging_face(checkpoint.load, control)) return start_from_hugging_face(config);
  const std::optional<int64_t> newest = find_for_all(checkpoint.load, control);
  if (!newest) {
    if (!checkpoint.load.empty() && !checkpoint.load_or_init)
      throw CheckpointError(
          "--load {}: no checkpoint there; expected a folder that --save has written, a Hugging "
          "Face folder with safetensors, or --load-or-init to start from random weights",
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
