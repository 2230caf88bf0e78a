// `swallow-train plan`: what a run would be, before anything is started: its processes, the memory
// they take and the course of a step. Takes the flags of training; needs no GPU and no data.
#pragma once

#include <iosfwd>

#include "config/cli.h"

namespace swallow {

/// Prints to `out` and returns the exit status: resources (71) when the plan does not fit the GPU
/// that is named. Throws what training would throw at once: ConfigError, DataError where data is
/// given.
int run_plan(ParsedCommandLine parsed, std::ostream& out);

}  // namespace swallow
