// The model of plan/ against this program's own steps on CPUs.
//   plan_cpu calibrate CORES OPS.json... -- STEP.json STEP.json... > cpu.json
//   plan_cpu compare cpu.json STEP.json...     predicted beside measured steps
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "config/value_text.h"
#include "plan/cpu_calibration.h"
#include "plan/step_estimate.h"

using namespace swallow;

namespace {

void compare(const std::string& profile, const std::vector<std::string>& paths) {
  const HardwareProfile hardware = load_hardware_profile(profile);
  double sum = 0, largest = 0;
  for (const std::string& path : paths) {
    const StepRecord record = read_step_record(path);
    const StepCase& c = record.step;
    const StepEstimate e = estimate_step(hardware, software_profile("swallow-train-cpu"), c);
    const double error = e.total() / record.seconds - 1;
    sum += std::abs(error);
    largest = std::max(largest, std::abs(error));
    fmt::print(
        "h {:<4} L {:<2} s {:<4} DP {} TP {} PP {} mbs {}  {:8.1f} ms, measured {:8.1f}  {:+6.1f} "
        "%  "
        "(compute {:.0f} tp {:.0f} pp {:.0f} bubble {:.0f} dp {:.0f} optimizer {:.0f} shared "
        "{:.0f})\n",
        c.size.hidden_size, c.size.num_layers, c.size.seq_length, c.dp, c.tp, c.pp,
        c.micro_batch_size, 1e3 * e.total(), 1e3 * record.seconds, 100 * error, 1e3 * e.compute(),
        1e3 * e.tp, 1e3 * e.pp, 1e3 * e.bubble, 1e3 * e.dp, 1e3 * e.optimizer, 1e3 * e.shared);
  }
  fmt::print("{} runs, mean error {:.1f} %, largest {:.1f} %\n", paths.size(),
             100 * sum / static_cast<double>(paths.size()), 100 * largest);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto border = std::find(arguments.begin(), arguments.end(), "--");
  if (arguments.size() >= 3 && arguments[0] == "calibrate" && border != arguments.end()) {
    std::cout << calibrate_cpu({arguments.begin() + 2, border}, {border + 1, arguments.end()},
                               parse_integer("CORES ", arguments[1], {1, 1 << 16}));
  } else if (arguments.size() >= 3 && arguments[0] == "compare") {
    compare(arguments[1], {arguments.begin() + 2, arguments.end()});
  } else {
    fmt::print(stderr,
               "usage: {0} calibrate CORES OPS.json... -- STEP.json STEP.json...\n"
               "       {0} compare PROFILE.json STEP.json...\n",
               argv[0]);
    return 2;
  }
  return 0;
}
