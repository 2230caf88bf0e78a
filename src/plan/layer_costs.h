// Time that one micro-batch takes on one rank: in a layer, in the embedding and in the output head,
// forward and backward (README: "plan"; the formulas are those of arXiv 2205.05198, section 4, and
// Calculon, SC23, brought to the products' shapes).
#pragma once

#include "plan/hardware_profile.h"
#include "plan/software_profile.h"
#include "plan/step_case.h"

namespace swallow {

/// Seconds of one micro-batch, by what they are spent on.
struct WorkSeconds {
  double gemm = 0;
  double attention = 0;
  double memory = 0;  // passes over memory
  double host = 0;    // the device waits for the program
  double tp = 0;      // tensor-parallel traffic that nothing hides

  [[nodiscard]] double compute() const noexcept { return gemm + attention + memory + host; }
  [[nodiscard]] double total() const noexcept { return compute() + tp; }
  WorkSeconds& operator+=(const WorkSeconds& other) noexcept;
  friend WorkSeconds operator*(double factor, WorkSeconds work) noexcept;
};

struct MicrobatchSeconds {
  WorkSeconds forward;
  WorkSeconds backward;  // recompute included
};

/// Of one micro-batch and one rank.
MicrobatchSeconds layer_seconds(const HardwareProfile& hardware, const SoftwareProfile& software,
                                const StepCase& step);
MicrobatchSeconds embedding_seconds(const HardwareProfile& hardware,
                                    const SoftwareProfile& software, const StepCase& step);
/// Final norm, output head and loss.
MicrobatchSeconds head_seconds(const HardwareProfile& hardware, const SoftwareProfile& software,
                               const StepCase& step);

/// Floating-point operations of one layer's matrix products on all ranks, one micro-batch, forward
/// and backward without recompute.
double layer_gemm_flops(const StepCase& step);

}  // namespace swallow
