// `swallow-train import`: what is done to a Hugging Face folder before a run loads it.
// --extend-vocab writes one with more tokens; --dry-run shows what each rank of a run would read.
#pragma once

#include <iosfwd>

#include "config/cli.h"

namespace swallow {

/// Prints to `out`. Returns the exit status; ConfigError for flags that contradict each other,
/// CheckpointError and DataError for what is wrong in the files.
int run_import(const ParsedCommandLine& parsed, std::ostream& out);

/// The --dry-run of it.
int run_import_plan(const ParsedCommandLine& parsed, std::ostream& out);

}  // namespace swallow
