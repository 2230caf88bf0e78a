// What the terminal gets of a report.
#pragma once

#include <span>
#include <string>

#include "report/run_record.h"

namespace swallow {

/// The values in eight heights of one character each; "×" stands for what is not finite. Empty
/// without values.
std::string sparkline(std::span<const double> values);

/// A sparkline of the last 60 losses and the facts that are known, in a table.
std::string terminal_summary(const RunRecord& run);

}  // namespace swallow
