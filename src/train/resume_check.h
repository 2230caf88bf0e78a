// Whether a run may continue from a checkpoint: settings that decide the model, or which samples
// come next, must be those it was saved with, except where --accept-change names them.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "config/run_config.h"

namespace swallow {

/// The keys in `text`, which is --accept-change: separated by commas, with dashes or underscores.
/// Throws ConfigError for a name that is no setting, may change anyway, or can never be accepted
/// because the saved tensors have its shape or type.
std::vector<std::string> accepted_changes(const std::string& text);

/// Throws CheckpointError listing every setting that differs, with both values, and the flag that
/// would accept them. `saved` is the state of the checkpoint in `folder`. Returns a line for every
/// name in --accept-change: what changes and what follows, or that the name is not needed. Settings
/// that change the order of samples only with some data are left to require_same_order().
std::vector<std::string> require_same_run(const RunConfig& config, const CheckpointState& saved,
                                          const std::string& folder);

}  // namespace swallow
