// `swallow-train inspect`: what is in a Megatron dataset, and whether all of it is sound.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace swallow {

/// Parses the arguments after the word `inspect` and prints to `out` what was asked for, nothing
/// when a check fails. Returns the exit status; ConfigError for a wrong argument, DataError for the
/// first thing wrong in the files.
int run_inspect(std::vector<std::string> args, std::ostream& out);

}  // namespace swallow
