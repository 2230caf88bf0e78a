// Runs the ranks of a job as threads of the test.
#pragma once

#include <functional>

#include "comm/thread_communicator.h"
#include "comm/world.h"

namespace swallow {

/// Calls `body` once per rank, each on its own thread with its own World, over shared memory. If a
/// rank throws, the job is aborted, and the exception that came first is rethrown here. Catch2's
/// assertions are not thread-safe: collect results in `body` and assert afterwards, or throw.
void run_ranks(GridShape shape, const std::function<void(World&)>& body);

/// The same for ranks that compute on `device`, all of them; on a GPU their tensors are staged
/// through host memory.
void run_ranks(GridShape shape, Device device, const std::function<void(World&)>& body);

/// The same with Worlds that `make_world` builds on each rank's thread, with control planes of
/// `job`.
void run_ranks(ThreadJob& job, int size, const std::function<World(int rank)>& make_world,
               const std::function<void(World&)>& body);

}  // namespace swallow
