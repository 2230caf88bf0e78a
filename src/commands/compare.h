// `swallow-train compare`: how two saved models differ.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace swallow {

/// Parses the arguments after the word `compare` and prints the differences to `out`. Returns 0
/// when the models are equal and 1 when they are not; ConfigError for a wrong argument,
/// CheckpointError for damage.
int run_compare(std::vector<std::string> args, std::ostream& out);

}  // namespace swallow
