// What a search of layouts has found, as tables: the fastest that fit, where the given one stands,
// and why others are not among them.
#pragma once

#include <string>

#include "plan/layout_search.h"

namespace swallow {

/// "TP 8, PP 8, DP 4, micro-batch 1, selective recompute, 1F1B".
std::string layout_text(const Layout& layout);

/// The layout that a run's settings ask for.
Layout layout_of(const RunConfig& config, const RunShape& run);

/// `given` is the layout that the settings ask for.
std::string ranking_text(const LayoutRanking& ranking, const Layout& given);

}  // namespace swallow
