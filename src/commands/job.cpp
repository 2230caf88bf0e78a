#include "commands/job.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "comm/device_choice.h"
#include "config/config_json.h"
#include "config/help.h"
#include "device/devices.h"
#include "kernels/gemm.h"
#include "launch/job_secret.h"
#include "launch/rendezvous.h"

namespace swallow {

namespace {

CommBackend comm_backend(CommChoice choice) {
  switch (choice) {
    case CommChoice::host:
      return CommBackend::host;
    case CommChoice::sockets:
      return CommBackend::sockets;
    case CommChoice::nccl:
      return CommBackend::nccl;
    default:
      return CommBackend::automatic;
  }
}

Device device_of(const RunConfig& config, int local_rank, int local_size) {
  if (config.parallel.backend == Backend::cpu) return {};
  const int gpus = static_cast<int>(list_devices().size());
  return choose_device({.rank = local_rank, .size = local_size, .num_visible = gpus},
                       comm_backend(config.parallel.comm));
}

/// Where a user's programs keep what they can make again.
std::string cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0')
    return fmt::format("{}/swallow-train", cache);
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    return fmt::format("{}/.cache/swallow-train", home);
  return {};
}

using Resolve = RunShape (*)(const RunConfig&, int world_size);

Job join(const ParsedCommandLine& parsed, Resolve resolve_run, std::unique_ptr<World>& world,
         int stop_fd) {
  const RunConfig& config = parsed.config;
  LaunchEnvironment environment = resolve_environment(process_environment(), parsed.rendezvous);
  if (!environment.notice.empty()) std::cerr << environment.notice << std::endl;
  const RunShape run = resolve_run(config, environment.world_size);

  JobSecret secret;
  if (environment.world_size > 1) secret = find_job_secret(process_environment());
  if (environment.rank == 0 && !secret.notice.empty()) std::cerr << secret.notice << std::endl;
  Meeting meeting = meet(environment, {.build_id = version_text(),
                                       .config_digest = config_digest(config),
                                       .secret = std::move(secret.bytes),
                                       .stop_fd = stop_fd});
  if (environment.rank == 0 && !meeting.turned_away.empty())
    std::cerr << "while the ranks came together, " << meeting.turned_away << std::endl;
  const ProcessGrid grid({.dp = run.dp, .tp = run.tp, .pp = run.pp});
  const int rank = meeting.control->rank();
  const int local_rank = meeting.hosts.local_rank(rank);
  const int local_size = meeting.hosts.local_size(rank);
  const TransportOptions transport{
      .host = meeting.hosts.num_nodes() == 1 ? "127.0.0.1" : this_host().name,
      .timeout = std::chrono::milliseconds(
          static_cast<int64_t>(config.parallel.distributed_timeout_minutes * 60'000)),
      .device = device_of(config, local_rank, local_size),
      .backend = comm_backend(config.parallel.comm)};
  world = std::make_unique<World>(make_world(grid, rank, std::move(meeting.control), transport));
  Stream stream = take_device(config, local_rank, local_size);
  return {std::move(environment), run, std::move(meeting.hosts), std::move(stream)};
}

}  // namespace

Job join_job(const ParsedCommandLine& parsed, std::unique_ptr<World>& world, int stop_fd) {
  return join(parsed, resolve, world, stop_fd);
}

Job join_grid(const ParsedCommandLine& parsed, std::unique_ptr<World>& world) {
  return join(parsed, resolve_grid, world, -1);
}

bool leaves_backend_open(const ParsedCommandLine& parsed) {
  return parsed.origins.at("backend").kind == OriginKind::built_in;
}

int threads_per_rank(const RunConfig& config, int local_size) {
  if (config.parallel.cpu_threads > 0) return static_cast<int>(config.parallel.cpu_threads);
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  return std::max(1, cores / local_size);
}

Stream take_device(const RunConfig& config, int local_rank, int local_size) {
  Stream stream(device_of(config, local_rank, local_size), threads_per_rank(config, local_size));
  const std::string& folder = config.parallel.gemm_table_dir;
  // What was measured decides bits: a deterministic run takes what is stored, or the library's
  // choice.
  const bool measure = config.parallel.gemm_tuning && !config.training.deterministic_mode;
  configure_gemm(stream,
                 {.enabled = measure, .cache_folder = folder.empty() ? cache_folder() : folder});
  return stream;
}

}  // namespace swallow
