// "Did you mean": the known name that takes the fewest typing errors to reach.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace swallow {

/// The nearest of `names` by insertions, deletions, replacements and swaps of neighbours, the first
/// on a tie; empty when none is within about a third of the letters.
std::string nearest_name(std::string_view name, const std::vector<std::string>& names);

/// "; did you mean <prefix><nearest>?", or empty when nothing is near.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& names,
                         std::string_view prefix = "");

}  // namespace swallow
