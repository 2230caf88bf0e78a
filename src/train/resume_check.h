// Whether a run may continue from a checkpoint: settings that decide the model, or which samples
// come next, must be those it was saved with.
#pragma once

#include <string>

#include "config/run_config.h"

namespace swallow {

/// Throws CheckpointError listing every setting that differs, with both values. `saved_json` is the
/// configuration recorded in the checkpoint in `folder`.
void require_same_run(const RunConfig& config, const std::string& saved_json,
                      const std::string& folder);

}  // namespace swallow
