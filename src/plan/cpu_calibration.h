// A hardware profile of the CPUs that the program runs on here, made from its own benchmarks: rates
// of single ops from records of `bench --ops --cpu-threads 1`, and the cost of collectives from
// records of whole steps of two ranks that do little else.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plan/hardware_profile.h"
#include "plan/step_case.h"

namespace swallow {

/// A record of `bench --output` that timed whole steps.
struct StepRecord {
  StepCase step;
  double seconds = 0;  // the median
};

/// Throws ConfigError when the file is no such record.
StepRecord read_step_record(const std::string& path);

/// The profile's text, to be saved as a .json file. `ops`: see read_cpu_op_rates. `steps`: of two
/// or more runs with traffic of different size; the link's bandwidth and latency are what explains
/// their times best (least squares of relative errors). Ranks share `cores` cores. Throws
/// ConfigError saying which record lacks what, also when the steps leave no time for their traffic:
/// then other work was in the way.
std::string calibrate_cpu(const std::vector<std::string>& ops,
                          const std::vector<std::string>& steps, int64_t cores);

}  // namespace swallow
