// A grid of cells, darker with larger values: ranks by host and place on it.
#pragma once

#include <string>
#include <vector>

#include "report/svg.h"

namespace swallow {

struct HeatCell {
  double value = 0;  // NaN: not known
  std::string text;  // in the cell, short
  std::string tip;
  bool marked = false;  // stands out: a thick frame and a sign, not by colour alone
};

struct HeatRow {
  std::string label;
  std::vector<HeatCell> cells;
};

struct HeatMap {
  std::vector<std::string> columns;  // labels
  std::vector<HeatRow> rows;
  std::string scale_title;          // what the values are
  std::string low_text, high_text;  // at the ends of the scale
};

/// Use element() of what comes back in a page, document() for a file.
SvgWriter heat_map(const HeatMap& map);

}  // namespace swallow
