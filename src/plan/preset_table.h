// The table of the paper's presets in README.md: their grids and what these take and give.
#pragma once

#include <string>

namespace swallow {

/// Markdown, a row for each preset that the paper ran.
std::string presets_markdown();

}  // namespace swallow
