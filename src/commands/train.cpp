#include "commands/train.h"

#include <spdlog/logger.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "checkpoint/checkpoint.h"
#include "commands/export.h"
#include "commands/job.h"
#include "config/config_json.h"
#include "config/help.h"
#include "device/devices.h"
#include "telemetry/log.h"
#include "telemetry/metrics_log.h"
#include "telemetry/table.h"
#include "train/start_tables.h"
#include "train/trainer.h"

namespace swallow {

namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

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

void print_start(const ParsedCommandLine& parsed, const Job& job, const World& world,
                 const Datasets& datasets) {
  const RunConfig& config = parsed.config;
  const RunShape& run = job.run;
  const Stream& stream = job.stream;
  const int64_t parameters = parameter_count(model_size(config.model, run));
  std::cout << version_text() << "\n"
            << fmt::format("{:.1f} M parameters; {} ranks from {}; {} threads a rank\n\n",
                           static_cast<double>(parameters) / 1e6, run.world_size,
                           job.environment.source, stream.num_threads())
            << settings_table(parsed) << "\n"
            << grid_tables(config, run, world.grid, job.hosts) << "\n"
            << memory_table(config, run, stream.device(), stream.num_threads()) << "\n"
            << data_table(datasets) << std::endl;
}

void print_end(const RunConfig& config, const MetricsLog& metrics,
               const std::vector<std::string>& arguments) {
  std::cout << "\n" << metrics.summary().text();
  if (config.checkpoint.save.empty()) return;
  std::string command = "swallow-train";
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string name = arguments[i].substr(0, arguments[i].find('='));
    if (name == "--load" || name == "--accept-change" || name == "--ckpt-step") {
      if (name == arguments[i]) ++i;  // its value is the next word
    } else if (name != "--finetune") {
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

/// Bad data end the job here, on every rank, before any of them takes memory for the model.
Datasets open_data(const RunConfig& config, const RunShape& run, const StartPoint& start,
                   const World& world, spdlog::logger& log) {
  Datasets datasets;
  if (reads_data(world, run)) {
    datasets = open_datasets(data_options(config, start));
    const auto changes = require_same_order(config, start, datasets.files);
    if (world.rank == 0)
      for (const std::string& line : changes) log.warn("{}", line);
  }
  world.control->barrier();
  return datasets;
}

/// A plan that cannot fit is refused before anything is allocated.
void require_memory(const RunConfig& config, const Job& job, const World& world) {
  const int64_t planned =
      plan_memory(config, job.run, world.at, job.stream.device(), job.stream.num_threads()).total();
  for (const DeviceInfo& info : list_devices())
    if (info.device == job.stream.device() && planned > info.memory_bytes)
      throw ResourceError(
          "stage {}: the plan takes {:.1f} GiB, {} has {:.1f} GiB; expected a smaller "
          "--micro-batch-size, --recompute-granularity selective or full, or more ranks in "
          "--tensor-model-parallel-size or --pipeline-model-parallel-size",
          world.at.pp, static_cast<double>(planned) / kGiB, info.name,
          static_cast<double>(info.memory_bytes) / kGiB);
}

/// A run that has come to its last iteration leaves what --export-hf asks for.
void export_when_done(const RunConfig& config, int rank) {
  const CheckpointConfig& checkpoint = config.checkpoint;
  if (rank != 0 || checkpoint.export_hf.empty()) return;
  if (find_checkpoint(checkpoint.save) == config.training.train_iters)
    export_after_training(config, std::cout);
}

}  // namespace

int run_train(const ParsedCommandLine& parsed, const std::vector<std::string>& arguments,
              StopSignals& signals, std::unique_ptr<World>& world) {
  const RunConfig& config = parsed.config;
  Job job = join_job(parsed, world);
  const RunShape& run = job.run;

  require_export_place(config);
  spdlog::logger log = make_log({.rank = world->rank, .world_size = run.world_size});
  std::unique_ptr<MetricsLog> metrics;
  std::vector<RejectedCheckpoint> rejected;
  while (true) {  // again only when a checkpoint turns out to be damaged when it is read
    const StartPoint start = find_start(config, *world->control, log, rejected);
    const Datasets datasets = open_data(config, run, start, *world, log);
    if (world->rank == 0 && metrics == nullptr) {
      print_start(parsed, job, *world, datasets);
      metrics = make_metrics(config, run);
    }
    require_memory(config, job, *world);
    Trainer trainer(
        {config, run, *world, job.stream, datasets, start, signals, log, metrics.get()});
    if (const auto reason = trainer.start()) {
      reject_start(config, start, *reason, *world->control, log, rejected);
      continue;
    }
    const ExitCode code = trainer.train();
    world->control->barrier();
    if (metrics != nullptr) print_end(config, *metrics, arguments);
    export_when_done(config, world->rank);
    return static_cast<int>(code);
  }
}

}  // namespace swallow
