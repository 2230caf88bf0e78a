#include "report/step_shares.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace swallow {

namespace {

bool counts(const RanksRecord& record) {
  return !record.redone && !record.data_seconds.empty();
}

/// Nothing when there is no time to be shared.
std::optional<Shares> normalised(Shares seconds) {
  const double all = std::accumulate(seconds.begin(), seconds.end(), 0.0);
  if (!(all > 0) || !std::isfinite(all)) return std::nullopt;
  for (double& part : seconds) part /= all;
  return seconds;
}

void add(const RanksRecord& record, size_t rank, double weight, Shares& sums) {
  for (size_t part = 0; part < sums.size(); ++part)
    sums[part] += (record.*step_parts()[part].seconds)[rank] * weight;
}

/// Of one rank over all records that have `ranks` of them.
std::optional<Shares> shares_of(const RunRecord& run, size_t rank, size_t ranks) {
  Shares sums{};
  for (const RanksRecord& record : run.ranks)
    if (counts(record) && record.data_seconds.size() == ranks)
      add(record, rank, static_cast<double>(record.steps), sums);
  return normalised(sums);
}

}  // namespace

const std::array<StepPart, 3>& step_parts() {
  static constexpr std::array<StepPart, 3> kParts{{
      {"computing", "all that is no wait: forward, backward, the update",
       &RanksRecord::compute_seconds},
      {"waiting for ranks", "for others of the rank's groups, moving the bytes included",
       &RanksRecord::waiting_seconds},
      {"waiting for data", "until a micro-batch was read", &RanksRecord::data_seconds},
  }};
  return kParts;
}

std::optional<StepShares> step_shares(const RunRecord& run) {
  StepShares result;
  Shares sums{};
  for (const RanksRecord& record : run.ranks) {
    if (!counts(record)) continue;
    const auto steps = static_cast<double>(record.steps);
    result.steps += steps;
    result.ranks = record.data_seconds.size();
    for (size_t rank = 0; rank < result.ranks; ++rank)
      add(record, rank, steps / static_cast<double>(result.ranks), sums);
  }
  const std::optional<Shares> mean = normalised(sums);
  if (!mean) return std::nullopt;
  result.mean = *mean;
  for (size_t rank = 0; rank < result.ranks; ++rank) {
    const std::optional<Shares> shares = shares_of(run, rank, result.ranks);
    if (!shares || (rank > 0 && shares->back() <= result.of_data_rank.back())) continue;
    result.data_rank = rank;
    result.of_data_rank = *shares;
  }
  return result;
}

}  // namespace swallow
