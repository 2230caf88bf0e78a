// The section on ranks: which of them keep the others waiting, and where they are.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "report/curve.h"
#include "report/heat_map.h"
#include "report/html.h"
#include "report/section.h"
#include "telemetry/slow_rank.h"

namespace swallow {

namespace {

// As the step line names ranks.
constexpr double kSlowRank = 1 + kSlowExcess;  // times the median of the stage
constexpr size_t kMostColumns = 16;

/// In which others may have to wait for the rank. Older programs counted data as computing.
double busy_seconds(const RanksRecord& record, size_t rank) {
  return record.compute_seconds[rank] +
         (record.data_seconds.empty() ? 0 : record.data_seconds[rank]);
}

/// Median of each rank's times over the records that are as wide as the last.
std::vector<double> median_seconds(const RunRecord& run) {
  const size_t ranks = run.ranks.back().compute_seconds.size();
  std::vector<double> medians;
  for (size_t rank = 0; rank < ranks; ++rank) {
    std::vector<double> seconds;
    for (const RanksRecord& record : run.ranks)
      if (record.compute_seconds.size() == ranks) seconds.push_back(busy_seconds(record, rank));
    medians.push_back(quantile(seconds, 0.5));
  }
  return medians;
}

std::string host_of(const RanksRecord& record, int node) {
  const auto index = static_cast<size_t>(node);
  return node >= 0 && index < record.hosts.size() ? record.hosts[index] : "host not known";
}

/// Ranks of each node in their order; all of one when the record does not say.
std::vector<std::pair<int, std::vector<size_t>>> ranks_by_node(const RanksRecord& record) {
  std::vector<std::pair<int, std::vector<size_t>>> nodes;
  for (size_t rank = 0; rank < record.compute_seconds.size(); ++rank) {
    const int node = rank < record.node_of_rank.size() ? record.node_of_rank[rank] : -1;
    auto found = std::find_if(nodes.begin(), nodes.end(),
                              [node](const auto& entry) { return entry.first == node; });
    if (found == nodes.end()) found = nodes.insert(nodes.end(), {node, {}});
    found->second.push_back(rank);
  }
  return nodes;
}

/// Ranks are compared within their stage, for stages differ in work by design.
struct RankTimes {
  std::vector<double> seconds;        // by rank
  std::vector<double> stage_medians;  // by rank: of its stage; the lower one of two in the middle

  [[nodiscard]] double excess(size_t rank) const { return seconds[rank] / stage_medians[rank]; }
  [[nodiscard]] bool slow(size_t rank) const {
    return excess(rank) > kSlowRank && seconds[rank] - stage_medians[rank] > kSlowSeconds;
  }
};

RankTimes rank_times(const RunRecord& run) {
  RankTimes times{median_seconds(run), {}};
  std::map<int64_t, std::vector<double>> by_stage;
  for (size_t rank = 0; rank < times.seconds.size(); ++rank)
    by_stage[run.stage_of(rank)].push_back(times.seconds[rank]);
  for (size_t rank = 0; rank < times.seconds.size(); ++rank)
    times.stage_medians.push_back(quantile(by_stage[run.stage_of(rank)], 0.5));
  return times;
}

HeatCell cell_of(const RankTimes& times, size_t rank) {
  return {times.excess(rank),
          fmt::format("{}: {}", rank, value_text(times.seconds[rank], Unit::seconds)),
          fmt::format("rank {}: median {}, {:.3f} times the median of its stage", rank,
                      value_text(times.seconds[rank], Unit::seconds), times.excess(rank)),
          times.slow(rank)};
}

HeatMap map_of(const RanksRecord& record, const RankTimes& times) {
  std::vector<double> excesses;
  for (size_t rank = 0; rank < times.seconds.size(); ++rank) excesses.push_back(times.excess(rank));
  const Interval range = range_of(excesses);
  HeatMap map{{},
              {},
              "busy time of a step against the median of the rank's stage",
              fmt::format("{:.2f} times", range.low),
              fmt::format("{:.2f} times", range.high)};
  size_t widest = 0;
  for (const auto& [node, ranks] : ranks_by_node(record)) {
    for (size_t begin = 0; begin < ranks.size(); begin += kMostColumns) {
      const size_t end = std::min(begin + kMostColumns, ranks.size());
      HeatRow row{begin == 0 ? host_of(record, node) : fmt::format("… {}", begin), {}};
      for (size_t i = begin; i < end; ++i) row.cells.push_back(cell_of(times, ranks[i]));
      widest = std::max(widest, row.cells.size());
      map.rows.push_back(std::move(row));
    }
  }
  for (size_t i = 0; i < widest; ++i) map.columns.push_back(fmt::format("{}", i));
  return map;
}

std::string slow_ranks_text(const RanksRecord& record, const RankTimes& times) {
  std::string text;
  for (size_t rank = 0; rank < times.seconds.size(); ++rank) {
    if (!times.slow(rank)) continue;
    const int node = rank < record.node_of_rank.size() ? record.node_of_rank[rank] : -1;
    text += fmt::format("{}rank {} on {} ({:.2f} times)", text.empty() ? "" : ", ", rank,
                        host_of(record, node), times.excess(rank));
  }
  return text.empty()
             ? fmt::format("No rank is slower than {} times the median of its stage.", kSlowRank)
             : fmt::format("Slower than {} times the median of its stage: {}.", kSlowRank, text);
}
}  // namespace

Section ranks_section(const RunRecord& run) {
  Section section{"ranks", "Ranks", {}};
  if (run.ranks.empty()) {
    section.body = absent("each rank's own time; ranks lines in metrics.jsonl would show it.");
    return section;
  }
  const RanksRecord& last = run.ranks.back();
  const RankTimes times = rank_times(run);
  section.body = paragraph(slow_ranks_text(last, times)) +
                 heat_map(map_of(last, times)).element("busy time by host and rank") +
                 paragraph(fmt::format("A row a host, a column a place on it; in a cell the rank "
                                       "and its median time over {} records, computing or waiting "
                                       "for data. A frame and ! mark more than {} times its "
                                       "stage's median.",
                                       run.ranks.size(), kSlowRank),
                           "note");
  return section;
}

}  // namespace swallow
