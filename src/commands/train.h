// `swallow-train [train] ...`: joins the job, prints what will be done, and trains.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "comm/world.h"
#include "config/cli.h"
#include "launch/stop_signals.h"

namespace swallow {

/// Runs this rank to its end and returns its exit code. `world` is filled as soon as the job is
/// joined, so that the caller can tell the others when this throws.
int run_train(const ParsedCommandLine& parsed, const std::vector<std::string>& arguments,
              StopSignals& signals, std::unique_ptr<World>& world);

}  // namespace swallow
