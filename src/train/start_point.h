// Where a run begins: at step 0, or where the checkpoint that --load names was taken. Known before
// data is opened, because what was consumed so far decides how many samples the run takes in all.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/run_config.h"
#include "launch/control_plane.h"

namespace spdlog {
class logger;
}

namespace swallow {

struct StartPoint {
  std::string folder;                 // where the weights come from; empty: they are random
  std::optional<int64_t> checkpoint;  // iteration of a run's folder; none: `transformers` wrote it
  bool weights_only = false;          // iteration, optimizer and data start anew
  int64_t iteration = 0;              // updates done
  int64_t consumed_samples = 0;       // by them, over all data-parallel ranks
  std::optional<TrainingConfig> saved_training;  // of the run that is resumed
};

/// A checkpoint that was found damaged, by its manifest and sizes or when it was read.
struct RejectedCheckpoint {
  int64_t iteration = 0;
  std::string reason;
};

/// Collective: every rank takes the checkpoint that rank 0 sees: the one that --ckpt-step names, or
/// else the best that is not in `rejected`, to which those that are passed over now are added; and
/// where there is none yet, the weights of --pretrained-checkpoint.
/// Throws CheckpointError when there is none and one is needed, when all are rejected, or when it
/// belongs to another run. What is passed over, and changes that --accept-change names, are told to
/// `log` on rank 0.
StartPoint find_start(const RunConfig& config, ControlPlane& control, spdlog::logger& log,
                      std::vector<RejectedCheckpoint>& rejected);

/// The same for a first look.
StartPoint find_start(const RunConfig& config, ControlPlane& control, spdlog::logger& log);

/// What to do about a checkpoint that could not be read: adds it to `rejected` for another look, or
/// throws CheckpointError when --ckpt-step asks for this one. The same on every rank.
void reject_start(const RunConfig& config, const StartPoint& start, const std::string& reason,
                  ControlPlane& control, spdlog::logger& log,
                  std::vector<RejectedCheckpoint>& rejected);

}  // namespace swallow
