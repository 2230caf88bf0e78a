#include "bench/node_findings.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>
#include <utility>

#include "base/check.h"

namespace swallow {

namespace {

constexpr double kRateShare = 0.10;
constexpr double kLatencyShare = 0.50;
constexpr double kDeviations = 3;
constexpr double kMadToDeviation = 1.4826;  // of a normal distribution

using Kind = std::pair<std::string, std::string>;  // what, among

/// The median, of an even number the better of the two in the middle.
double usual_of(std::vector<double> values, bool less_is_better) {
  std::sort(values.begin(), values.end());
  return values[less_is_better ? (values.size() - 1) / 2 : values.size() / 2];
}

void judge_kind(std::span<const Reading* const> kind, std::vector<Outlier>& outliers) {
  const bool less = kind.front()->less_is_better;
  std::vector<double> values, distances;
  for (const Reading* reading : kind) values.push_back(reading->value);
  const double usual = usual_of(values, less);
  for (const double value : values) distances.push_back(std::abs(value - usual));
  const double deviation = kMadToDeviation * usual_of(std::move(distances), true);
  for (const Reading* reading : kind) {
    const double worse = less ? reading->value - usual : usual - reading->value;
    if (worse > (less ? kLatencyShare : kRateShare) * usual && worse > kDeviations * deviation)
      outliers.push_back({*reading, usual});
  }
}

bool on_one_host(const std::vector<int>& ranks, std::span<const int> node_of_rank) {
  const auto node = [&](int rank) { return node_of_rank[static_cast<size_t>(rank)]; };
  return std::all_of(ranks.begin(), ranks.end(),
                     [&](int rank) { return node(rank) == node(ranks.front()); });
}

}  // namespace

double Outlier::excess() const noexcept {
  return (reading.less_is_better ? reading.value - usual : usual - reading.value) / usual;
}

std::vector<Outlier> find_outliers(std::span<const Reading> readings) {
  std::map<Kind, std::vector<const Reading*>> kinds;
  for (const Reading& reading : readings) kinds[{reading.what, reading.among}].push_back(&reading);
  std::vector<Outlier> outliers;
  for (const auto& [name, kind] : kinds) judge_kind(kind, outliers);
  return outliers;
}

std::vector<Reading> ranks_of_pairs(std::span<const Reading> readings) {
  std::map<std::tuple<std::string, std::string, int>, std::vector<const Reading*>> partners;
  for (const Reading& reading : readings)
    if (reading.ranks.size() == 2 && reading.what.starts_with("pair"))
      for (const int rank : reading.ranks)
        partners[{reading.what, reading.among, rank}].push_back(&reading);
  std::vector<Reading> ranks;
  for (const auto& [key, pairs] : partners) {
    if (pairs.size() == 1) continue;
    Reading reading = *pairs.front();
    reading.what = "rank's " + reading.what;
    reading.ranks = {std::get<int>(key)};
    std::vector<double> values, bests;
    for (const Reading* pair : pairs) {
      values.push_back(pair->value);
      bests.push_back(pair->best);
    }
    reading.value = usual_of(std::move(values), reading.less_is_better);
    reading.best = usual_of(std::move(bests), reading.less_is_better);
    ranks.push_back(std::move(reading));
  }
  return ranks;
}

std::vector<WrongResult> find_other_results(
    std::span<const std::map<std::string, std::string>> hashes) {
  std::map<std::string, std::map<std::string, std::vector<int>>> ranks;  // by what, by hash
  for (size_t rank = 0; rank < hashes.size(); ++rank)
    for (const auto& [what, hash] : hashes[rank])
      ranks[what][hash].push_back(static_cast<int>(rank));
  std::vector<WrongResult> wrong;
  for (const auto& [what, by_hash] : ranks) {
    if (by_hash.size() == 1) continue;
    size_t all = 0;  // ranks with this kind of device
    for (const auto& [hash, same] : by_hash) all += same.size();
    std::vector<int> few;  // those of no majority
    bool majority = false;
    for (const auto& [hash, same] : by_hash) {
      if (2 * same.size() > all)
        majority = true;
      else
        few.insert(few.end(), same.begin(), same.end());
    }
    std::sort(few.begin(), few.end());
    const std::string text = fmt::format("{} gives other bits than on other ranks", what);
    if (!majority) wrong.push_back({text, few});
    for (const int rank : few)
      if (majority) wrong.push_back({text, {rank}});
  }
  return wrong;
}

Findings judge(std::span<const Reading> readings, std::vector<WrongResult> wrong,
               std::span<const std::map<std::string, std::string>> hashes,
               std::span<const int> node_of_rank) {
  Findings findings{.wrong = std::move(wrong)};
  for (WrongResult& other : find_other_results(hashes)) findings.wrong.push_back(std::move(other));
  findings.outliers = find_outliers(ranks_of_pairs(readings));
  std::set<int> slow;  // in their pairs
  for (const Outlier& outlier : findings.outliers) slow.insert(outlier.reading.ranks.front());
  for (Outlier& outlier : find_outliers(readings)) {
    const std::vector<int>& ranks = outlier.reading.ranks;
    if (ranks.size() == 2 &&
        std::any_of(ranks.begin(), ranks.end(), [&](int rank) { return slow.contains(rank); }))
      continue;
    findings.outliers.push_back(std::move(outlier));
  }

  std::set<int> bad;
  const auto blame = [&](const std::vector<int>& ranks) {
    if (on_one_host(ranks, node_of_rank)) bad.insert(ranks.begin(), ranks.end());
  };
  for (const WrongResult& result : findings.wrong) blame(result.ranks);
  for (const Outlier& outlier : findings.outliers) blame(outlier.reading.ranks);
  findings.bad_ranks.assign(bad.begin(), bad.end());
  return findings;
}

}  // namespace swallow
