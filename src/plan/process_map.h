// Who is where: the grid of processes, the layers and ranks of each pipeline stage, and the ranks
// of each host. What an operator asks before starting a job, and what a job prints first.
#pragma once

#include <string>
#include <vector>

#include "config/run_config.h"
#include "config/run_shape.h"
#include "launch/host_map.h"
#include "launch/process_grid.h"

namespace swallow {

/// node0, node1, ... with `ranks_per_node` consecutive ranks each, the last one with what is left:
/// as launchers place ranks.
HostMap assumed_hosts(int world_size, int ranks_per_node);

/// Layout, stages and hosts; with a warning where a tensor-parallel group leaves a host, and a line
/// where the run's DP is not the one of the paper.
std::string grid_tables(const RunConfig& config, const RunShape& run, const ProcessGrid& grid,
                        const HostMap& hosts);

/// "0-7, 16, 18-19" of ascending numbers.
std::string number_ranges(const std::vector<int>& numbers);

}  // namespace swallow
