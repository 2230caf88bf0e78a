#include "train/start_point.h"

#include <spdlog/logger.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "base/check.h"
#include "checkpoint/all_ranks.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/hugging_face_folder.h"
#include "config/config_json.h"
#include "train/resume_check.h"

namespace swallow {

namespace {

bool is_rejected(const std::vector<RejectedCheckpoint>& rejected, int64_t iteration) {
  return std::ranges::any_of(rejected, [&](const auto& r) { return r.iteration == iteration; });
}

/// On one rank: the checkpoint to load, and what was passed over to find it.
struct Search {
  std::optional<int64_t> found;
  std::vector<RejectedCheckpoint> passed_over;
};

Search search(const CheckpointConfig& config, const std::vector<RejectedCheckpoint>& rejected) {
  Search result;
  if (config.ckpt_step >= 0) {
    check_checkpoint(config.load, config.ckpt_step);
    result.found = config.ckpt_step;
    return result;
  }
  for (const int64_t iteration : checkpoint_candidates(config.load)) {
    if (is_rejected(rejected, iteration)) continue;
    try {
      check_checkpoint(config.load, iteration);
      result.found = iteration;
      return result;
    } catch (const CheckpointError& error) {
      result.passed_over.push_back({iteration, error.what()});
    }
  }
  return result;
}

/// What rank 0 finds, on every rank.
Search search_for_all(const CheckpointConfig& config, ControlPlane& control,
                      const std::vector<RejectedCheckpoint>& rejected) {
  if (config.load.empty()) return {};
  const std::string answer = on_all_ranks(control, ExitCode::checkpoint, [&] {
    if (control.rank() != 0) return std::string();
    const Search mine = search(config, rejected);
    nlohmann::json passed_over = nlohmann::json::array();
    for (const auto& [iteration, reason] : mine.passed_over)
      passed_over.push_back({iteration, reason});
    return nlohmann::json{{"found", mine.found.value_or(-1)}, {"passed_over", passed_over}}.dump(
        -1, ' ', false, nlohmann::json::error_handler_t::replace);
  })[0];
  const nlohmann::json json = nlohmann::json::parse(answer);
  Search result;
  if (json["found"] >= 0) result.found = json["found"].get<int64_t>();
  for (const nlohmann::json& item : json["passed_over"])
    result.passed_over.push_back({item[0].get<int64_t>(), item[1].get<std::string>()});
  return result;
}

void warn(spdlog::logger& log, const RejectedCheckpoint& rejected) {
  log.warn("the checkpoint of iteration {} is passed over: {}", rejected.iteration,
           rejected.reason);
}

/// Why no checkpoint can be loaded from a folder that should hold one.
[[noreturn]] void refuse(const std::string& folder,
                         const std::vector<RejectedCheckpoint>& rejected) {
  if (rejected.empty())
    throw CheckpointError(
        "--load {}: no checkpoint there; expected a folder that --save has written, a Hugging Face "
        "folder with safetensors, or --load-or-init to start from random weights",
        folder);
  std::string list;
  for (const auto& [iteration, reason] : rejected)
    list += fmt::format("\n  iteration {}: {}", iteration, reason);
  throw CheckpointError("--load {}: none of its {} checkpoints can be used:{}", folder,
                        rejected.size(), list);
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
  // Opened whole, so that a folder which cannot be loaded is refused before data and memory are.
  const HuggingFaceFolder folder(checkpoint.load);
  require_same_model(config.model, folder.config().model, checkpoint.load);
  return {.hugging_face = true};
}

}  // namespace

StartPoint find_start(const RunConfig& config, ControlPlane& control, spdlog::logger& log,
                      std::vector<RejectedCheckpoint>& rejected) {
  const CheckpointConfig& checkpoint = config.checkpoint;
  // A wrong name is refused even where there is nothing to compare with yet.
  (void)accepted_changes(checkpoint.accept_change);
  if (is_hugging_face(checkpoint.load, control)) return start_from_hugging_face(config);
  const Search search = search_for_all(checkpoint, control, rejected);
  for (const RejectedCheckpoint& item : search.passed_over) {
    if (control.rank() == 0) warn(log, item);
    rejected.push_back(item);
  }
  const std::optional<int64_t> newest = search.found;
  if (!newest) {
    // Where checkpoints were lost, --load-or-init must not begin anew unasked.
    if (!checkpoint.load.empty() && (!checkpoint.load_or_init || !rejected.empty()))
      refuse(checkpoint.load, rejected);
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

StartPoint find_start(const RunConfig& config, ControlPlane& control, spdlog::logger& log) {
  std::vector<RejectedCheckpoint> rejected;
  return find_start(config, control, log, rejected);
}

void reject_start(const RunConfig& config, const StartPoint& start, const std::string& reason,
                  ControlPlane& control, spdlog::logger& log,
                  std::vector<RejectedCheckpoint>& rejected) {
  SWALLOW_CHECK(start.checkpoint.has_value(), "nothing was loaded: {}", reason);
  if (config.checkpoint.ckpt_step >= 0)
    throw CheckpointError("--ckpt-step {}: {}", config.checkpoint.ckpt_step, reason);
  rejected.push_back({*start.checkpoint, reason});
  if (control.rank() == 0) warn(log, rejected.back());
}

}  // namespace swallow
