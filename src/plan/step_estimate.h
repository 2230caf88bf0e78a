// The time of a training step out of its parts: what the pipeline's stages compute, what of the
// communication nothing hides, the bubble that the schedule leaves, and the optimizer.
#pragma once

#include <array>
#include <vector>

#include "pipeline/simulator.h"
#include "plan/layer_costs.h"

namespace swallow {

/// Where the seconds of a step go, on the slowest stage. They add up to the step.
struct StepEstimate {
  double gemm = 0;
  double attention = 0;
  double memory = 0;
  double host = 0;
  double tp = 0;      // exposed tensor-parallel traffic
  double pp = 0;      // exposed transfers between stages
  double bubble = 0;  // waiting for other stages
  double dp = 0;      // exposed reduction of gradients and gathering of parameters
  double optimizer = 0;
  double shared = 0;  // waiting for cores that other ranks use

  std::vector<MicrobatchSeconds> stages;  // one micro-batch on each stage
  double transfer = 0;                    // one activation or gradient to the next stage

  double tokens_per_second = 0;                       // of one rank
  std::array<double, kFlopFormulas.size()> tflops{};  // of one rank, in the order of kFlopFormulas

  [[nodiscard]] double compute() const noexcept { return gemm + attention + memory + host; }
  [[nodiscard]] double total() const noexcept {
    return compute() + tp + pp + bubble + dp + optimizer + shared;
  }
  /// For `ranks` ranks to train on so many tokens.
  [[nodiscard]] double days(double tokens, int64_t ranks) const noexcept {
    return tokens / (tokens_per_second * static_cast<double>(ranks)) / 86400;
  }
};

StepEstimate estimate_step(const HardwareProfile& hardware, const SoftwareProfile& software,
                           const StepCase& step);

/// Costs by which the simulator plays the estimate's pipeline, seconds.
SimulationCosts simulation_costs(const HardwareProfile& hardware, const SoftwareProfile& software,
                                 const StepEstimate& estimate);

/// Matrix and norm weights that a rank of `stage` holds.
double parameters_of_stage(const StepCase& step, int64_t stage);

}  // namespace swallow
