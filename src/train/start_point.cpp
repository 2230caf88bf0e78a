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

Search search(const std::string& folder, int64_t ckpt_step,
              const std::vector<RejectedCheckpoint>& rejected) {
  Search result;
  if (ckpt_step >= 0) {
    check_checkpoint(folder, ckpt_step);
    result.found = ckpt_step;
    return result;
  }
  for (const int64_t iteration : checkpoint_candidates(folder)) {
    if (is_rejected(rejected, iteration)) continue;
    try {
      check_checkpoint(folder, iteration);
      result.found = iteration;
      return result;
    } catch (const CheckpointError& error) {
      result.passed_over.push_back({iteration, error.what()});
    }
  }
  return result;
}

/// What rank 0 finds, on every rank.
Search search_for_all(const std::string& folder, int64_t ckpt_step, ControlPlane& control,
                      const std::vector<RejectedCheckpoint>& rejected) {
  if (folder.empty()) return {};
  const std::string answer = on_all_ranks(control, ExitCode::checkpoint, [&] {
    if (control.rank() != 0) return std::string();
    const Search mine = search(folder, ckpt_step, rejected);
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
StartPoint start_from_hugging_face(const RunConfig& config, const std::string& path) {
  // Opened whole, so that a folder which cannot be loaded is refused before data and memory are.
  const HuggingFaceFolder folder(path);
  require_same_model(config.model, folder.config().model, path);
  return {.folder = path, .weights_only = true};
}

/// Where --load holds nothing yet.
StartPoint start_anew(const RunConfig& config, ControlPlane& control) {
  const std::string& folder = config.checkpoint.pretrained_checkpoint;
  if (folder.empty()) return {};
  if (is_hugging_face(folder, control)) return start_from_hugging_face(config, folder);
  const Search search = search_for_all(folder, -1, control, {});
  if (!search.found)
    throw CheckpointError(
        "--pretrained-checkpoint {}: no checkpoint there; expected a folder that --save has "
        "written, or a Hugging Face folder with safetensors",
        folder);
  return {.folder = folder, .checkpoint = search.found, .weights_only = true};
}

}  // namespace

StartPoint find_start(const RunConfig& config, ControlPlane& control, spdlog::logger& log,
                      std::vector<RejectedCheckpoint>& rejected) {
  const CheckpointConfig& checkpoint = config.checkpoint;
  // A wrong name is refused even where there is nothing to compare with yet.
  (void)accepted_changes(checkpoint.accept_change);
  if (is_hugging_face(checkpoint.load, control)) {
    if (!checkpoint.accept_change.empty())
      throw ConfigError("--accept-change {}: --load {} is a Hugging Face folder, no run to resume",
                        checkpoint.accept_change, checkpoint.load);
    return start_from_hugging_face(config, checkpoint.load);
  }
  const Search search = search_for_all(checkpoint.load, checkpoint.ckpt_step, control, rejected);
  for (const RejectedCheckpoint& item : search.passed_over) {
    if (control.rank() == 0) warn(log, item);
    rejected.push_back(item);
  }
  const std::optional<int64_t> newest = search.found;
  if (!newest) {
    // Where checkpoints were lost, nothing may begin anew unasked.
    const bool may_begin = checkpoint.load_or_init || !checkpoint.pretrained_checkpoint.empty();
    if (!checkpoint.load.empty() && (!may_begin || !rejected.empty()))
      refuse(checkpoint.load, rejected);
    return start_anew(config, control);
  }
  if (checkpoint.finetune)
    return {.folder = checkpoint.load, .checkpoint = newest, .weights_only = true};
  const CheckpointState state = read_checkpoint_state(checkpoint.load, *newest);
  const std::vector<std::string> changes = require_same_run(config, state, checkpoint.load);
  if (control.rank() == 0)
    for (const std::string& line : changes) log.warn("{}", line);
  return {.folder = checkpoint.load,
          .checkpoint = newest,
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
  if (start.folder != config.checkpoint.load)
    throw CheckpointError("--pretrained-checkpoint {}: {}", start.folder, reason);
  rejected.push_back({*start.checkpoint, reason});
  if (control.rank() == 0) warn(log, rejected.back());
}

}  // namespace swallow
