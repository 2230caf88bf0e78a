// Texts generated from the option list: --help, and the README's table.
#pragma once

#include <string>

namespace swallow {

/// Grouped, one line an option with its values and default, closed by a newline.
std::string help_text();

/// The README's table: one row a group, every flag with its default.
std::string flags_markdown();

/// "swallow-train 0.1.0 (g++ 12.2.0, x86-64)"
std::string version_text();

}  // namespace swallow
