// Whether a resume keeps the order of samples that its run began with, where that depends on the
// data: a run of another length may go through a file in other epochs, and then shuffles it
// otherwise.
#pragma once

#include <string>
#include <vector>

#include "config/run_config.h"
#include "data/set_plan.h"
#include "train/start_point.h"

namespace swallow {

/// What decides the order of samples, from the configuration and where the run goes on.
DataOptions data_options(const RunConfig& config, const StartPoint& start = {});

/// Throws CheckpointError when --train-iters, --eval-interval or --eval-iters differ from the
/// checkpoint's and some part of the training or validation set would come in another order, unless
/// --accept-change names what differs. `files`: those of the run, opened. Returns a line for each
/// of the three in --accept-change.
std::vector<std::string> require_same_order(const RunConfig& config, const StartPoint& start,
                                            FileList& files);

}  // namespace swallow
