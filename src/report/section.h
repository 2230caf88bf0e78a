// The parts of a report. Each takes what was read and gives a piece of HTML; one whose records are
// missing says in a line what would make it appear.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "report/run_record.h"

namespace swallow {

struct Section {
  std::string id;     // of the anchor, ASCII
  std::string title;  // plain text
  std::string body;   // HTML, well-formed
};

/// Over all runs: what was run and how it went; loss and its z-score; gradient norm and rate.
Section overview_section(const std::vector<RunRecord>& runs);
Section loss_section(const std::vector<RunRecord>& runs);
Section optimization_section(const std::vector<RunRecord>& runs);

/// Of one run.
Section step_time_section(const RunRecord& run);
Section goodput_section(const RunRecord& run);
Section throughput_section(const RunRecord& run);
Section memory_section(const RunRecord& run);
/// Traces are read from `trace_folder`; empty: there are none.
Section pipeline_section(const RunRecord& run, const std::string& trace_folder);
Section ranks_section(const RunRecord& run);
Section data_section(const RunRecord& run);
Section attempts_section(const RunRecord& run);

}  // namespace swallow
