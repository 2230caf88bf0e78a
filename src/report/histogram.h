// How often values occur.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "report/axis.h"

namespace swallow {

struct HistogramBins {
  Interval range;                // of all bins together; each is as wide as another
  std::vector<int64_t> counts;   // the first and the last have everything below and above too
  int64_t below = 0, above = 0;  // of these, how many
};

/// `bins` bins over range_without_outliers(). Values that are not finite are left out.
HistogramBins count_values(std::span<const double> values, int bins);

/// Upright bars, with lines at the 5 %, 50 % and 95 % quantiles, which a legend above names.
std::string histogram(std::span<const double> values, Unit unit, std::string_view title,
                      std::string_view label);

}  // namespace swallow
