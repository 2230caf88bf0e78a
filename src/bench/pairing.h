// Who measures the way to whom, so that all are busy and nobody is in two measurements at once.
#pragma once

#include <vector>

namespace swallow {

/// Rounds in which `size` ranks meet in pairs: [round][rank] is the partner, or -1 for the one that
/// is left over. Every pair meets exactly once (the circle method of tournaments), unless that
/// takes more than `most_rounds`: then as many rounds, spread evenly over all.
[[nodiscard]] std::vector<std::vector<int>> pairing_rounds(int size, int most_rounds);

}  // namespace swallow
