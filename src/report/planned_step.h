// The course of a step that has not run, as the simulator tells it.
#pragma once

#include <string>
#include <vector>

#include "pipeline/simulator.h"
#include "report/gantt.h"

namespace swallow {

/// What the stages compute, as bars.
std::vector<GanttBar> bars_of(const SimulationResult& step);

/// A file of its own: the stages' forwards and backwards; times are seconds.
std::string planned_step_svg(const SimulationResult& step, const std::string& what);

}  // namespace swallow
