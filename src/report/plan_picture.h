// Pictures of what has not run: the course of a planned step, and the layouts that a search tried.
#pragma once

#include <string>
#include <vector>

#include "pipeline/simulator.h"
#include "plan/layout_search.h"
#include "report/gantt.h"

namespace swallow {

/// What the stages compute, as bars.
std::vector<GanttBar> bars_of(const SimulationResult& step);

/// A file of its own: the stages' forwards and backwards; times are seconds.
std::string planned_step_svg(const SimulationResult& step, const std::string& what);

/// A file of its own: a row for each TP, a column for each PP, in a cell the tokens/s of a rank by
/// the fastest layout that fits; empty cells have none. `given` is framed.
std::string layout_map_svg(const LayoutRanking& ranking, const Layout& given,
                           const std::string& what);

}  // namespace swallow
