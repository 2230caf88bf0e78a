// `swallow-train bench`: times training steps, a slice of a model, or its single ops. Takes the
// flags of training and needs no data.
#pragma once

#include <memory>

#include "comm/world.h"
#include "config/cli.h"

namespace swallow {

/// The command line as a benchmark reads it: generated tokens. Throws ConfigError for flags that
/// contradict each other, before any rank is started.
void prepare_bench(ParsedCommandLine& parsed);

/// Runs this rank to its end and returns its exit code. `world` is filled as by run_train.
int run_bench(const ParsedCommandLine& parsed, std::unique_ptr<World>& world);

}  // namespace swallow
