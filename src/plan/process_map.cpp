#include "plan/process_map.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/check.h"
#include "model/shapes.h"
#include "telemetry/table.h"

namespace swallow {

namespace {

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

/// Ranks of one host that are all combinations of some coordinates along the three axes.
struct HostBlock {
  std::vector<int> ranks, pp, dp, tp;
};

/// Joins neighbours that differ along one axis alone.
void join(std::vector<HostBlock>& blocks, std::vector<int> HostBlock::*axis) {
  std::vector<HostBlock> joined;
  for (HostBlock& block : blocks) {
    const auto differs = [&](std::vector<int> HostBlock::*other) {
      return other != axis && joined.back().*other != block.*other;
    };
    if (joined.empty() || differs(&HostBlock::pp) || differs(&HostBlock::dp) ||
        differs(&HostBlock::tp)) {
      joined.push_back(std::move(block));
      continue;
    }
    const auto append = [&](std::vector<int> HostBlock::*list) {
      std::vector<int>& whole = joined.back().*list;
      whole.insert(whole.end(), (block.*list).begin(), (block.*list).end());
    };
    append(&HostBlock::ranks);
    append(axis);
  }
  blocks = std::move(joined);
}

/// One block where a host holds whole groups; more where a group is cut.
std::vector<HostBlock> host_blocks(const ProcessGrid& grid, const std::vector<int>& ranks) {
  std::vector<HostBlock> blocks;
  for (const int rank : ranks) {
    const GridCoordinate at = grid.coordinate(rank);
    blocks.push_back({.ranks = {rank}, .pp = {at.pp}, .dp = {at.dp}, .tp = {at.tp}});
  }
  for (const auto axis : {&HostBlock::tp, &HostBlock::dp, &HostBlock::pp}) join(blocks, axis);
  return blocks;
}

/// What the launcher called these ranks.
std::string launcher_numbers(const HostMap& hosts, const std::vector<int>& ranks) {
  std::vector<int> numbers;
  for (const int rank : ranks) numbers.push_back(hosts.launcher_ranks[static_cast<size_t>(rank)]);
  return number_ranges(numbers);
}

TextTable host_table(const ProcessGrid& grid, const HostMap& hosts) {
  TextTable table{.title = "Hosts", .header = {"host", "ranks", "stage", "DP", "TP"}};
  const bool renumbered = !hosts.launcher_ranks.empty();
  if (renumbered) table.header.emplace_back("numbered by the launcher");
  std::vector<std::vector<int>> ranks(static_cast<size_t>(hosts.num_nodes()));
  for (size_t rank = 0; rank < hosts.node_of_rank.size(); ++rank)
    ranks[static_cast<size_t>(hosts.node_of_rank[rank])].push_back(static_cast<int>(rank));
  for (size_t node = 0; node < ranks.size(); ++node) {
    std::string name = hosts.host_names[node];
    for (const HostBlock& block : host_blocks(grid, ranks[node])) {
      table.rows.push_back({name, number_ranges(block.ranks), number_ranges(block.pp),
                            number_ranges(block.dp), number_ranges(block.tp)});
      if (renumbered) table.rows.back().push_back(launcher_numbers(hosts, block.ranks));
      name.clear();  // the host's other blocks stand below
    }
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

HostMap assumed_hosts(int world_size, int ranks_per_node) {
  SWALLOW_CHECK(ranks_per_node >= 1, "{} ranks on a host", ranks_per_node);
  HostMap hosts;
  for (int rank = 0; rank < world_size; ++rank) hosts.node_of_rank.push_back(rank / ranks_per_node);
  for (int node = 0; node * ranks_per_node < world_size; ++node)
    hosts.host_names.push_back(fmt::format("node{}", node));
  return hosts;
}

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
                      stage_table(config, run, grid).text(), host_table(grid, hosts).text());
  const std::vector<int> split = split_groups(grid, hosts);
  if (!split.empty())
    text += fmt::format(
        "warning: {} of {} tensor-parallel groups leave their host (those of ranks {}); TP {} "
        "wants hosts with a multiple of {} ranks\n",
        split.size(), run.world_size / run.tp, number_ranges(split), run.tp, run.tp);
  return text;
}

}  // namespace swallow
