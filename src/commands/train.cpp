#include "commands/train.h"

#include <spdlog/logger.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "base/philox.h"
#include "config/config_json.h"
#include "config/help.h"
#include "config/run_shape.h"
#include "launch/environment.h"
#include "launch/rendezvous.h"
#include "telemetry/log.h"
#include "telemetry/metrics_log.h"
#include "telemetry/table.h"
#include "train/start_tables.h"
#include "train/trainer.h"

namespace swallow {

namespace {

int threads_per_rank(const RunConfig& config, int local_size) {
  if (config.parallel.cpu_threads > 0) return static_cast<int>(config.parallel.cpu_threads);
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  return std::max(1, cores / local_size);
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

CommBackend comm_backend(CommChoice choice) {
  switch (choice) {
    case CommChoice::host:
      return CommBackend::host;
    case CommChoice::nccl:
      return CommBackend::nccl;
    default:
      return CommBackend::automatic;
  }
}

std::string log_folder(const RunConfig& config) {
  return config.log.log_dir.empty() ? config.checkpoint.save : config.log.log_dir;
}

std::unique_ptr<MetricsLog> make_metrics(const RunConfig& config, const RunShape& run) {
  const std::string folder = log_folder(config);
  if (!folder.empty()) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error)
      throw ConfigError("{} {}: cannot make the folder: {}",
                        config.log.log_dir.empty() ? "--save" : "--log-dir", folder,
                        error.message());
  }
  const std::string record = config_json(config);
  if (!folder.empty()) std::ofstream(folder + "/config.json") << record << "\n";
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  auto metrics = std::make_unique<MetricsLog>(
      MetricsLogOptions{.style = config.log.log_format == LogFormat::megatron ? LineStyle::megatron
                                                                              : LineStyle::text,
                        .terminal = terminal,
                        .colour = terminal && std::getenv("NO_COLOR") == nullptr,
                        .jsonl_path = folder.empty() ? "" : folder + "/metrics.jsonl",
                        .log_interval = config.log.log_interval,
                        .train_iters = config.training.train_iters,
                        .world_size = run.world_size,
                        .peak_tflops = config.log.peak_tflops,
                        .model = model_size(config.model, run)},
      std::cout);
  metrics->write_run(record);
  return metrics;
}

/// What the user set by hand, over built-in values and preset.
std::string settings_table(const ParsedCommandLine& parsed) {
  TextTable table{.title = parsed.config.preset.empty()
                               ? "Settings from the command line"
                               : fmt::format("Settings over preset {}", parsed.config.preset),
                  .header = {"flag", "value"}};
  for (const ConfigRow& row : config_rows(parsed))
    if (row.origin == text_of({.kind = OriginKind::command_line}))
      table.rows.push_back({row.flag, row.value});
  return table.rows.empty() ? "" : table.text();
}

void print_start(const ParsedCommandLine& parsed, const RunShape& run, const World& world,
                 const HostMap& hosts, const LaunchEnvironment& environment, const Stream& stream,
                 const Datasets& datasets) {
  const RunConfig& config = parsed.config;
  const int64_t parameters = parameter_count(model_size(config.model, run));
  std::cout << version_text() << "\n"
            << fmt::format("{:.1f} M parameters; {} ranks from {}; {} threads a rank\n\n",
                           static_cast<double>(parameters) / 1e6, run.world_size,
                           environment.source, stream.num_threads())
            << settings_table(parsed) << "\n"
            << grid_tables(config, run, world.grid, hosts) << "\n"
            << memory_table(config, run, stream.device(), stream.num_threads()) << "\n"
            << data_table(datasets) << std::endl;
}

void print_end(const RunConfig& config, const MetricsLog& metrics,
               const std::vector<std::string>& arguments) {
  std::cout << "\n" << metrics.summary().text();
  if (config.checkpoint.save.empty()) return;
  std::string command = "swallow-train";
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--load") {
      ++i;
    } else if (arguments[i] != "--finetune") {
      command += " " + arguments[i];
    }
  }
  std::cout << "to continue: " << command << " --load " << config.checkpoint.save << std::endl;
}

/// Whether this rank reads tokens: inputs on the first stage, targets on the last. Rank 0 is on the
/// first and prints the table.
bool reads_data(const World& world, const RunShape& run) {
  return world.at.pp == 0 || world.at.pp == run.pp - 1;
}

}  // namespace

int run_train(const ParsedCommandLine& parsed, const std::vector<std::string>& arguments,
              StopSignals& signals, std::unique_ptr<World>& world) {
  const RunConfig& config = parsed.config;
  const LaunchEnvironment environment =
      resolve_environment(process_environment(), parsed.rendezvous);
  if (!environment.notice.empty()) std::cerr << environment.notice << std::endl;
  const RunShape run = resolve(config, environment.world_size);
  if (config.parallel.backend == Backend::cuda)
    throw ConfigError(
        "--backend cuda: training on a GPU is not part of this version; expected cpu");

  const std::string digest = fmt::format("{:016x}", stream_of(config_json(config)));
  Meeting meeting = meet(environment, {.build_id = version_text(), .config_digest = digest});
  const ProcessGrid grid({.dp = run.dp, .tp = run.tp, .pp = run.pp});
  const TransportOptions transport{
      .host = meeting.hosts.num_nodes() == 1 ? "127.0.0.1" : this_host().name,
      .timeout = std::chrono::milliseconds(
          static_cast<int64_t>(config.parallel.distributed_timeout_minutes * 60'000)),
      .backend = comm_backend(config.parallel.comm)};
  world = std::make_unique<World>(
      make_world(grid, environment.rank, std::move(meeting.control), transport));

  Datasets datasets;
  if (reads_data(*world, run)) datasets = open_datasets(data_options(config));
  const int num_threads = threads_per_rank(config, meeting.hosts.local_size(environment.rank));
  Stream stream{Device{}, num_threads};
  spdlog::logger log = make_log({.rank = environment.rank, .world_size = environment.world_size});
  std::unique_ptr<MetricsLog> metrics;
  if (environment.rank == 0) {
    print_start(parsed, run, *world, meeting.hosts, environment, stream, datasets);
    metrics = make_metrics(config, run);
  }
  Trainer trainer({config, run, *world, stream, datasets, signals, log, metrics.get()});
  const ExitCode code = trainer.train();
  world->control->barrier();
  if (metrics != nullptr) print_end(config, *metrics, arguments);
  return static_cast<int>(code);
}

}  // namespace swallow
