// `swallow-train node-check`: before a long run, or after one that was slow, each rank measures its
// device and its ways to the others, and the ranks and links that fall short are named. Takes the
// flags of training, so that it can be started in its place; of these the grid, the backend, the
// transport and the time limit count. With TP and PP the groups of that grid are measured, without
// them one group of all ranks.
#pragma once

#include <memory>

#include "comm/world.h"
#include "config/cli.h"

namespace swallow {

/// Where no flag says otherwise, a silent rank is given up after a minute.
void prepare_node_check(ParsedCommandLine& parsed);

/// Runs this rank to its end. Rank 0 prints the tables, and a line "--exclude=HOST,HOST" where
/// hosts are to be done without; it returns ok, or bad_node when something was found. The others
/// return ok: the exit code of a job is the worst of its ranks'. `world` is filled as by run_train.
int run_node_check(const ParsedCommandLine& parsed, std::unique_ptr<World>& world);

}  // namespace swallow
