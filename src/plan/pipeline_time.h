// How long the schedule of a pipeline takes, played by pipeline/simulator.h.
#pragma once

#include "config/run_config.h"
#include "pipeline/simulator.h"

namespace swallow {

/// Seconds from the first forward to the last exchange of a step of `microbatches`, whose costs by
/// stage are `costs`. Once a pipeline is full each further micro-batch of 1F1B takes the same time:
/// at most 8 a stage are played and the rest is added, so that a search may ask thousands of times.
double pipeline_seconds(PipelineSchedule schedule, int64_t microbatches,
                        const SimulationCosts& costs);

}  // namespace swallow
