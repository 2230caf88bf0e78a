// `swallow-train jobscript`: writes a job script for a scheduler. It takes the flags of the
// training that the job shall run, and checks them as training would on that many ranks, so that a
// job that cannot start is refused before it waits in a queue.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "config/cli.h"

namespace swallow {

/// `arguments` are those of the program and `parsed` what they say. The script goes to `out` or to
/// the file of --output. Throws ConfigError, IoError.
int run_jobscript(const ParsedCommandLine& parsed, const std::vector<std::string>& arguments,
                  std::ostream& out);

}  // namespace swallow
