// What a node check makes of its readings: who is slower than the others, who computes something
// else, and which hosts to do without.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "bench/reading.h"

namespace swallow {

struct Outlier {
  Reading reading;
  double usual = 0;  // the median of those it was compared with

  /// How much worse than usual: 0.3 is 30 % less of a rate, or 30 % more of a latency.
  [[nodiscard]] double excess() const noexcept;
};

/// A reading is an outlier when it is worse than the median of its kind (equal `what` and `among`)
/// by more than a tenth, or by more than half for latencies, which vary more; and by more than
/// three standard deviations, estimated by the median of the distances from the median (MAD
/// x 1.4826), so that where all vary much nobody is named for it. The median of an even number is
/// the better of the two in the middle: of two the worse one can be named.
[[nodiscard]] std::vector<Outlier> find_outliers(std::span<const Reading> readings);

/// For each rank and kind of pair the median over its partners, of an even number the better of the
/// two in the middle. A rank that is slow by itself is slow with all of them, and the median does
/// not show a single partner that is. Of a rank with one partner only, the pair tells as much.
[[nodiscard]] std::vector<Reading> ranks_of_pairs(std::span<const Reading> readings);

/// Each rank whose hash of a result is not the one that most ranks have; all of them together where
/// there is no such majority. `hashes`: by rank, what was computed and the hash of the result.
[[nodiscard]] std::vector<WrongResult> find_other_results(
    std::span<const std::map<std::string, std::string>> hashes);

struct Findings {
  std::vector<Outlier> outliers;
  std::vector<WrongResult> wrong;
  std::vector<int> bad_ranks;  // ascending: those to do without

  [[nodiscard]] bool empty() const noexcept { return outliers.empty() && wrong.empty(); }
};

/// Judges single ranks first; a pair is an outlier only where neither of its ranks is one. The
/// ranks of what is wrong or slow are bad where that is one rank, or all of them are on one host;
/// of a pair or a group between hosts nobody knows which. `node_of_rank`: of each rank.
[[nodiscard]] Findings judge(std::span<const Reading> readings, std::vector<WrongResult> wrong,
                             std::span<const std::map<std::string, std::string>> hashes,
                             std::span<const int> node_of_rank);

}  // namespace swallow
