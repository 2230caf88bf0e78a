// The timeline of a rank as a file of Chrome's trace event format, which Perfetto opens: a process
// for each rank, a thread for each track. Put the "traceEvents" of all ranks' files together to see
// them in one picture: their clocks are aligned.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "device/timeline.h"
#include "launch/control_plane.h"
#include "launch/process_grid.h"

namespace swallow {

/// How to turn this rank's steady clock into rank 0's.
struct ClockOffset {
  int64_t ns = 0;      // this clock is so far ahead of rank 0's
  int64_t origin = 0;  // rank 0's clock when it was measured, where the picture begins
};

/// Collective: rounds of the control plane, after each of which all ranks go on at about the same
/// moment; the least difference between the clocks at that moment is taken. It is too large by the
/// time that rank 0's answer takes to this rank: some tens of microseconds between hosts.
[[nodiscard]] ClockOffset measure_clock_offset(ControlPlane& control);

struct TraceHead {
  int rank = 0;
  GridCoordinate at;
  std::string host;
  ClockOffset clock;
  int64_t lost = 0;  // spans that found no room
};

/// The file's text: {"traceEvents":[...], "otherData":{...}}.
[[nodiscard]] std::string trace_json(const TraceHead& head,
                                     std::span<const Timeline::Entry> entries);

/// Writes `folder`/trace-RANK.json, making the folder where it is missing. Throws IoError.
void write_trace(const std::string& folder, const TraceHead& head,
                 std::span<const Timeline::Entry> entries);

}  // namespace swallow
