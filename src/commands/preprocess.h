// `swallow-train preprocess`: JSON Lines to a Megatron dataset, or several datasets to one.
#pragma once

#include <string>
#include <vector>

namespace swallow {

/// Parses the arguments after the word `preprocess`, does the work and prints a summary. Returns
/// the exit status; ConfigError for a wrong argument, otherwise what preprocess() throws.
int run_preprocess(std::vector<std::string> args);

}  // namespace swallow
