// Lying bars that are made of parts: memory of stages, where the time went, shares of data.
#pragma once

#include <string>
#include <vector>

#include "report/axis.h"
#include "report/svg.h"

namespace swallow {

struct StackedBar {
  std::string label;
  std::vector<double> parts;  // in the order of the parts' names; 0: absent
  double mark = 0;            // a limit or peak to draw across the bar; 0: none
  std::string mark_tip;       // what a pointer on the mark shows
};

struct StackedBars {
  std::vector<std::string> parts;  // names, in the order of the bars' pieces
  std::vector<StackedBar> bars;
  Unit unit = Unit::plain;
  std::string title;  // of the axis
};

/// Bars one under another on one axis that begins at 0, a legend of all parts above.
std::string stacked_bars(const StackedBars& chart, std::string_view label);

}  // namespace swallow
