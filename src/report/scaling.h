// Speed against the number of ranks, over records of `bench`, with published speeds beside them.
#pragma once

#include <string>
#include <vector>

#include "report/bench_record.h"

namespace swallow {

/// A whole HTML file.
std::string scaling_page(const std::vector<BenchRecord>& records);

/// For the terminal: one line a record.
std::string scaling_table(const std::vector<BenchRecord>& records);

/// Speed of a rank as a share of that of the record with the fewest ranks in its series.
std::vector<double> scaling_efficiency(const std::vector<BenchRecord>& records);

}  // namespace swallow
