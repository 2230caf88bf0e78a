// What the commands that train or time training do first: find the place of this process, meet the
// other ranks, and take a device.
#pragma once

#include <memory>

#include "comm/world.h"
#include "config/cli.h"
#include "config/run_shape.h"
#include "device/device.h"
#include "launch/environment.h"
#include "launch/host_map.h"

namespace swallow {

struct Job {
  LaunchEnvironment environment;
  RunShape run;
  HostMap hosts;
  Stream stream;
};

/// `world` is filled as soon as the job is joined, so that the caller can tell the others of an
/// error. Every rank calls it at the same time. Throws StoppedError when `stop_fd` becomes readable
/// before all ranks have come; -1: none.
Job join_job(const ParsedCommandLine& parsed, std::unique_ptr<World>& world, int stop_fd = -1);

/// Whether neither a flag nor the preset says --backend: what is written or planned for a cluster
/// is then for its GPUs.
bool leaves_backend_open(const ParsedCommandLine& parsed);

/// Of a rank that is one of `local_size` on its host: --cpu-threads, or its share of the cores.
int threads_per_rank(const RunConfig& config, int local_size);

/// The same for a command that trains nothing: of the settings only the grid is checked.
Job join_grid(const ParsedCommandLine& parsed, std::unique_ptr<World>& world);

/// The device of a rank that is number `local_rank` of `local_size` on its host, with its share of
/// the host's cores.
Stream take_device(const RunConfig& config, int local_rank, int local_size);

}  // namespace swallow
