// Timelines of a few steps as the ranks wrote them: trace-RANK.json, Chrome's trace events. Of
// these a pipeline's picture needs the forwards and backwards of one step, from one rank of each
// stage.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report/gantt.h"

namespace swallow {

struct TraceRecord {
  int64_t step = 0;                // whose bars these are
  std::vector<GanttBar> bars;      // seconds, row = stage
  std::vector<std::string> notes;  // on files that could be read in part or not at all
};

/// The step in the middle by length among those that every stage has whole, from the lowest rank of
/// each stage; empty when there is none. A file that is cut short counts as far as it goes.
TraceRecord read_trace(const std::string& folder);

}  // namespace swallow
