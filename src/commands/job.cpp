#include "commands/job.h"

#include <algorithm>
#include <iostream>
#include <thread>

#include "base/philox.h"
#include "config/config_json.h"
#include "config/help.h"
#include "device/devices.h"
#include "launch/rendezvous.h"

namespace swallow {

namespace {

int threads_per_rank(const RunConfig& config, int local_size) {
  if (config.parallel.cpu_threads > 0) return static_cast<int>(config.parallel.cpu_threads);
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  return std::max(1, cores / local_size);
}

/// Ranks of a host take its GPUs in turn.
Device choose_device(const RunConfig& config, int local_rank) {
  if (config.parallel.backend == Backend::cpu) return {};
  const int gpus = static_cast<int>(list_devices().size());
  return {DeviceKind::cuda, local_rank % std::max(gpus, 1)};
}

}  // namespace

Job join_job(const ParsedCommandLine& parsed, std::unique_ptr<World>& world) {
  const RunConfig& config = parsed.config;
  LaunchEnvironment environment = resolve_environment(process_environment(), parsed.rendezvous);
  if (!environment.notice.empty()) std::cerr << environment.notice << std::endl;
  const RunShape run = resolve(config, environment.world_size);

  const std::string digest = fmt::format("{:016x}", stream_of(config_json(config)));
  Meeting meeting = meet(environment, {.build_id = version_text(), .config_digest = digest});
  const ProcessGrid grid({.dp = run.dp, .tp = run.tp, .pp = run.pp});
  const TransportOptions transport{
      .host = meeting.hosts.num_nodes() == 1 ? "127.0.0.1" : this_host().name,
      .timeout = std::chrono::milliseconds(
          static_cast<int64_t>(config.parallel.distributed_timeout_minutes * 60'000))};
  const int rank = environment.rank;
  world = std::make_unique<World>(make_world(grid, rank, std::move(meeting.control), transport));
  Stream stream =
      take_device(config, meeting.hosts.local_rank(rank), meeting.hosts.local_size(rank));
  return {std::move(environment), run, std::move(meeting.hosts), std::move(stream)};
}

Stream take_device(const RunConfig& config, int local_rank, int local_size) {
  return Stream(choose_device(config, local_rank), threads_per_rank(config, local_size));
}

ModelSize model_size(const ModelConfig& m, const RunShape& run) {
  return {.num_layers = m.num_layers,
          .hidden_size = m.hidden_size,
          .ffn_hidden_size = m.ffn_hidden_size,
          .num_attention_heads = m.num_attention_heads,
          .kv_heads = run.kv_heads,
          .head_dim = run.head_dim,
          .vocab_size = m.vocab_size,
          .seq_length = m.seq_length};
}

}  // namespace swallow
