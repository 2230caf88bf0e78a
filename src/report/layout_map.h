// A picture of the layouts that a search tried.
#pragma once

#include <string>

#include "plan/layout_search.h"

namespace swallow {

/// A file of its own: a row for each TP, a column for each PP, in a cell the tokens/s of a rank by
/// the fastest layout that fits; empty cells have none. `given` is framed.
std::string layout_map_svg(const LayoutRanking& ranking, const Layout& given,
                           const std::string& what);

}  // namespace swallow
