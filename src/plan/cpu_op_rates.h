// What this program's single ops reach on a CPU, from records of `bench --ops --cpu-threads 1`.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "plan/gemm_law.h"
#include "plan/hardware_profile.h"

namespace swallow {

struct CpuOpRates {
  GemmLaw gemm;
  double attention_forward = 0;  // FLOP a second; blocks on the diagonal counted whole
  double attention_backward = 0;
  std::map<MemoryPass, double> passes;  // bytes a second
};

/// Records of one configuration are rounds of one measurement, of which the quietest counts. Those
/// of several configurations are all believed, each op as much as the time that it takes in a step.
/// Throws ConfigError naming the file that is no such record, and the op that none holds.
[[nodiscard]] CpuOpRates read_cpu_op_rates(const std::vector<std::string>& paths);

}  // namespace swallow
