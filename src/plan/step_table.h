// An estimated step as a person reads it: where its seconds go, and what speed that is.
#pragma once

#include <string>

#include "plan/hardware_profile.h"
#include "plan/software_profile.h"
#include "plan/step_case.h"
#include "plan/step_estimate.h"

namespace swallow {

/// Seconds and share of each part; below them tokens/s, TFLOPS by each formula, and how long
/// `train_tokens` take. Says on what the estimate rests.
std::string step_table(const StepEstimate& estimate, const StepCase& step,
                       const HardwareProfile& hardware, const SoftwareProfile& software,
                       double train_tokens);

}  // namespace swallow
