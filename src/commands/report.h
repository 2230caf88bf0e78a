// `swallow-train report`: pictures and figures of runs, or of benchmarks, in one HTML file.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace swallow {

/// Parses the arguments after the word `report`, writes the file and prints a summary to `out`.
/// Returns the exit status; ConfigError for a wrong argument, DataError for a file that is no
/// record, IoError when writing fails.
int run_report_command(std::vector<std::string> args, std::ostream& out);

}  // namespace swallow
