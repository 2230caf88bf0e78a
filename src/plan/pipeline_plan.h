// The pipeline of a run as the simulator takes it: the schedules that the executors will play, and
// costs for them that are exact, though they are no seconds.
#pragma once

#include <vector>

#include "config/run_config.h"
#include "config/run_shape.h"
#include "pipeline/schedule.h"
#include "pipeline/simulator.h"

namespace swallow {

/// By stage, for a training step.
std::vector<Schedule> plan_schedules(const RunConfig& config, const RunShape& run);

/// Floating-point operations of one rank for a micro-batch by the causal formula
/// (telemetry/flops.h), with the padded vocabulary and the recomputation that are really done;
/// transfers cost nothing. As times they are right where all work runs at one rate.
SimulationCosts flop_costs(const RunConfig& config, const RunShape& run);

}  // namespace swallow
