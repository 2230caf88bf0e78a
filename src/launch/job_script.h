// The text of a batch job that trains until it is done: directives, environment, one launch of all
// ranks, and the decision by their exit code. A job that ended because its time was up or a peer
// died queues itself again, the number of jobs being bounded; any other end is final. Pure text
// work: nothing is run, read or written.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launch/job_directives.h"

namespace swallow {

struct JobScript {
  JobRequest request;
  std::vector<std::string> written_by;  ///< the command that makes this script, for its head
  std::vector<std::string> modules;     ///< for `module load`, in this order; may be empty
  std::vector<std::string> command;     ///< what a rank runs: the binary and its flags
  int64_t max_jobs = 50;                ///< jobs of a chain, the first one included
};

/// A script for bash, closed by a newline.
std::string job_script_text(const JobScript& script);

}  // namespace swallow
