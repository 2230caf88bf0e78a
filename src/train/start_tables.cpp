#include "train/start_tables.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "model/shapes.h"
#include "telemetry/table.h"
#include "train/engine.h"

namespace swallow {

namespace {

constexpr double kMiB = 1024.0 * 1024.0;

TextTable layout_table(const RunConfig& config, const RunShape& run) {
  const ParallelConfig& p = config.parallel;
  return {.title = "Grid",
          .header = {"DP", "TP", "PP", "ranks", "sequence parallel", "distributed optimizer",
                     "schedule", "micro-batches"},
          .rows = {{std::to_string(run.dp), std::to_string(run.tp), std::to_string(run.pp),
                    std::to_string(run.world_size), p.sequence_parallel ? "yes" : "no",
                    p.use_distributed_optimizer ? "yes" : "no",
                    p.pipeline_schedule == PipelineSchedule::gpipe ? "GPipe" : "1F1B",
                    std::to_string(run.num_microbatches)}}};
}

TextTable stage_table(const RunConfig& config, const RunShape& run, const ProcessGrid& grid) {
  TextTable table{.title = "Pipeline stages", .header = {"stage", "layers", "ranks"}};
  for (int stage = 0; stage < run.pp; ++stage) {
    const LayerRange layers = make_shapes(config, run, {.pp = stage}).layers;
    std::vector<int> ranks;
    for (int rank = 0; rank < grid.world_size(); ++rank)
      if (grid.coordinate(rank).pp == stage) ranks.push_back(rank);
    table.rows.push_back({std::to_string(stage), fmt::format("{}-{}", layers.begin, layers.end - 1),
                          number_ranges(ranks)});
  }
  return table;
}

TextTable host_table(const HostMap& hosts) {
  TextTable table{.title = "Hosts", .header = {"host", "ranks"}};
  const std::vector<int>& launcher = hosts.launcher_ranks;
  if (!launcher.empty()) table.header.emplace_back("numbered by the launcher");
  std::vector<std::vector<int>> ranks(static_cast<size_t>(hosts.num_nodes()));
  for (size_t rank = 0; rank < hosts.node_of_rank.size(); ++rank)
    ranks[static_cast<size_t>(hosts.node_of_rank[rank])].push_back(static_cast<int>(rank));
  for (size_t node = 0; node < ranks.size(); ++node) {
    table.rows.push_back({hosts.host_names[node], number_ranges(ranks[node])});
    if (launcher.empty()) continue;
    std::vector<int> before;
    for (const int rank : ranks[node]) before.push_back(launcher[static_cast<size_t>(rank)]);
    table.rows.back().push_back(number_ranges(before));
  }
  return table;
}

/// Tensor-parallel groups whose ranks are on more than one host, by their first rank.
std::vector<int> split_groups(const ProcessGrid& grid, const HostMap& hosts) {
  std::vector<int> split;
  for (int rank = 0; rank < grid.world_size(); ++rank) {
    const std::vector<int> group = grid.tp_group(rank);
    if (group.front() != rank) continue;
    const auto node = [&](int member) { return hosts.node_of_rank[static_cast<size_t>(member)]; };
    if (std::any_of(group.begin(), group.end(),
                    [&](int member) { return node(member) != node(rank); }))
      split.push_back(rank);
  }
  return split;
}

}  // namespace

std::string number_ranges(const std::vector<int>& numbers) {
  std::vector<std::string> ranges;
  for (size_t i = 0; i < numbers.size();) {
    size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    ranges.push_back(last == i ? fmt::format("{}", numbers[i])
                               : fmt::format("{}-{}", numbers[i], numbers[last]));
    i = last + 1;
  }
  return fmt::format("{}", fmt::join(ranges, ", "));
}

std::string grid_tables(const RunConfig& config, const RunShape& run, const ProcessGrid& grid,
                        const HostMap& hosts) {
  std::string text = layout_table(config, run).text();
  const std::string difference = describe_paper_difference(config, run);
  text += fmt::format("{}{}\n{}\n{}", difference, difference.empty() ? "" : "\n",
                      stage_table(config, run, grid).text(), host_table(hosts).text());
  const std::vector<int> split = split_groups(grid, hosts);
  if (!split.empty())
    text += fmt::format(
        "warning: {} of {} tensor-parallel groups leave their host (those of ranks {}); TP {} "
        "wants "
        "hosts with a multiple of {} ranks\n",
        split.size(), run.world_size / run.tp, number_ranges(split), run.tp, run.tp);
  return text;
}

std::string memory_table(const RunConfig& config, const RunShape& run, Device device,
                         int num_threads) {
  TextTable table{.title = "Planned memory of a rank, MiB", .header = {"stage"}};
  for (int stage = 0; stage < run.pp; ++stage) {
    const Ledger ledger = plan_memory(config, run, {.pp = stage}, device, num_threads);
    std::vector<std::string> row = {std::to_string(stage)};
    for (const auto& [category, bytes] : ledger.rows()) {
      auto column = std::find(table.header.begin(), table.header.end(), category);
      if (column == table.header.end()) column = table.header.insert(column, category);
      const auto index = static_cast<size_t>(column - table.header.begin());
      row.resize(std::max(row.size(), index + 1));
      row[index] = fmt::format("{:.1f}", static_cast<double>(bytes) / kMiB);
    }
    row.push_back(fmt::format("{:.1f}", static_cast<double>(ledger.total()) / kMiB));
    table.rows.push_back(row);
  }
  const size_t columns = table.header.size();
  for (auto& row : table.rows) {  // the total stands behind the last category of any stage
    const std::string total = row.back();
    row.pop_back();
    row.resize(columns);
    row.push_back(total);
  }
  table.header.emplace_back("total");
  if (config.checkpoint.async_save) {
    table.header.emplace_back("copy for --async-save, on the host");
    for (int stage = 0; stage < run.pp; ++stage)
      table.rows[static_cast<size_t>(stage)].push_back(fmt::format(
          "{:.1f}", static_cast<double>(plan_snapshot(config, run, {.pp = stage})) / kMiB));
  }
  return table.text();
}

std::string data_table(const Datasets& datasets) {
  TextTable table{.title = "Data",
                  .header = {"split", "file", "share", "documents", "tokens", "samples", "epochs"}};
  for (const DatasetFact& fact : datasets.facts)
    table.rows.push_back({fact.split, fact.prefix, fmt::format("{:.3f}", fact.share),
                          std::to_string(fact.documents), std::to_string(fact.tokens),
                          std::to_string(fact.samples), std::to_string(fact.epochs)});
  std::string text = table.text();
  for (const std::string& notice : datasets.notices) text += notice + "\n";
  return text;
}

}  // namespace swallow
