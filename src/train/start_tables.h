// The tables before step 1: what was asked, where each rank is, what memory and data the run takes.
#pragma once

#include <string>

#include "config/run_config.h"
#include "config/run_shape.h"
#include "data/datasets.h"
#include "device/device.h"
#include "launch/host_map.h"
#include "launch/process_grid.h"

namespace swallow {

/// Layout, stages and hosts; with a warning where a tensor-parallel group leaves a host, and a line
/// where the run's DP is not the one of the paper.
std::string grid_tables(const RunConfig& config, const RunShape& run, const ProcessGrid& grid,
                        const HostMap& hosts);

/// Planned bytes by category of one rank of each pipeline stage, from the plan that is allocated.
std::string memory_table(const RunConfig& config, const RunShape& run, Device device,
                         int num_threads);

std::string data_table(const Datasets& datasets);

/// "0-7, 16, 18-19" of ascending numbers.
std::string number_ranges(const std::vector<int>& numbers);

}  // namespace swallow
