// Where a run begins: at step 0, or where the checkpoint that --load names was taken. Known before
// data is opened, because what was consumed so far decides how many samples the run takes in all.
#pragma once

#include <cstdint>
#include <optional>

#include "config/run_config.h"
#include "launch/control_plane.h"

namespace spdlog {
class logger;
}

namespace swallow {

struct StartPoint {
  std::optional<int64_t> checkpoint;  // iteration to load from the folder; none: random weights
  bool hugging_face = false;          // the folder holds weights only, as `transformers` saves them
  int64_t iteration = 0;              // updates done
  int64_t consumed_samples = 0;       // by them, over all data-parallel ranks
  std::optional<TrainingConfig> saved_training;  // of the run that is resumed
};

/// Collective: every rank takes the checkpoint that rank 0 sees. Throws CheckpointError when there
/// is none and one is needed, or when it belongs to another run. Changes that --accept-change names
/// are told to `log` on rank 0.
StartPoint find_start(const RunConfig& config, ControlPlane& control, spdlog::logger& log);

}  // namespace swallow
