#include "commands/train.h"

#include <spdlog/logger.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "checkpoint/all_ranks.h"
#include "checkpoint/checkpoint.h"
#include "commands/export.h"
#include "commands/job.h"
#include "config/config_json.h"
#include "config/help.h"
#include "config/value_text.h"
#include "device/devices.h"
#include "launch/shell_words.h"
#include "plan/data_table.h"
#include "plan/memory_table.h"
#include "plan/process_map.h"
#include "plan/step_case.h"
#include "telemetry/log.h"
#include "telemetry/metrics_log.h"
#include "telemetry/table.h"
#include "train/attempt_log.h"
#include "train/last_calls.h"
#include "train/start_records.h"
#include "train/trainer.h"

namespace swallow {

namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

std::string log_folder(const RunConfig& config) {
  return config.log.log_dir.empty() ? config.checkpoint.save : config.log.log_dir;
}

std::unique_ptr<MetricsLog> make_metrics(const RunConfig& config, const Job& job,
                                         const World& world) {
  const RunShape& run = job.run;
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
                        .tensorboard_dir = config.log.tensorboard_dir,
                        .build = version_text(),
                        .log_interval = config.log.log_interval,
                        .train_iters = config.training.train_iters,
                        .world_size = run.world_size,
                        .places = rank_places(world.grid, job.hosts),
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

/// By which variables rank 0 knows its place in the job.
std::string launch_table(const LaunchEnvironment& environment) {
  TextTable table{.title = "Launched by " + environment.source, .header = {"variable", "value"}};
  for (const LaunchEnvironment::Variable& used : environment.used)
    table.rows.push_back({used.name, printable(used.value)});
  return table.rows.empty() ? "" : table.text();
}

void print_start(const ParsedCommandLine& parsed, const Job& job, const World& world,
                 const Datasets& datasets) {
  const RunConfig& config = parsed.config;
  const RunShape& run = job.run;
  const Stream& stream = job.stream;
  const int64_t parameters = parameter_count(model_size(config.model, run));
  std::cout << version_text() << "\n"
            << fmt::format("{:.1f} M parameters; {} ranks from {}; {} threads a rank{}\n\n",
                           static_cast<double>(parameters) / 1e6, run.world_size,
                           job.environment.source, stream.num_threads(),
                           world.transports.empty() ? "" : "; through " + world.transports)
            << settings_table(parsed) << "\n"
            << launch_table(job.environment) << "\n"
            << grid_tables(config, run, world.grid, job.hosts) << "\n"
            << memory_table(plan_stages(config, run, stream.device(), stream.num_threads())) << "\n"
            << data_table(datasets) << std::endl;
}

void print_end(const RunConfig& config, const MetricsLog& metrics,
               const std::vector<std::string>& arguments) {
  std::cout << "\n" << metrics.summary().text();
  if (config.checkpoint.save.empty()) return;
  std::vector<std::string> command = {"swallow-train"};
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string name = arguments[i].substr(0, arguments[i].find('='));
    if (name == "--load" || name == "--accept-change" || name == "--ckpt-step") {
      if (name == arguments[i]) ++i;  // its value is the next word
    } else if (name != "--finetune" && name != "--no-load-optim") {
      command.push_back(arguments[i]);
    }
  }
  command.insert(command.end(), {"--load", config.checkpoint.save});
  std::cout << "to continue: " << shell_line(command) << std::endl;
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

/// What rank 0 alone looks after. An error of its is one of all ranks.
struct RunLife {
  std::optional<EndWatch> end;
  AttemptLog attempts;
};

RunLife begin_life(const RunConfig& config, const Job& job, const World& world,
                   EndWatch::SystemClock::time_point start) {
  RunLife life{.end = {}, .attempts = AttemptLog(config.checkpoint.save)};
  on_all_ranks(*world.control, ExitCode::io, [&] {
    if (world.rank == 0)
      life.end.emplace(end_options(config.training, job.environment.job_end, start));
    return std::string();
  });
  return life;
}

/// A job counts as an attempt from here on, where settings and data have been found good.
void begin_attempt(RunLife& life, const RunConfig& config, const Job& job, const World& world,
                   int64_t iteration) {
  on_all_ranks(*world.control, ExitCode::io, [&] {
    if (world.rank == 0 && life.attempts.number() == 0)
      life.attempts.begin(iteration, config.training.max_failed_attempts, job.environment.run_id,
                          this_host().name);
    return std::string();
  });
}

void end_attempt(RunLife& life, const World& world, int64_t iteration, ExitCode code,
                 spdlog::logger& log) {
  try {
    if (world.rank == 0) life.attempts.end(iteration, code);
  } catch (const IoError& error) {
    log.warn("{}", error.what());  // the run is safe, and the next attempt is not
  }
}

Watchdog::Options watchdog_options(const RunConfig& config, const World& world) {
  return {.limits = parse_phase_limits(config.parallel.phase_timeouts),
          .expire = [&world, folder = log_folder(config)](const std::string& reason) {
            write_last_calls(folder, world);
            end_process(reason);
          }};
}

/// A run that has come to its last iteration leaves what --export-hf asks for.
void export_when_done(const RunConfig& config, int rank) {
  const CheckpointConfig& checkpoint = config.checkpoint;
  if (rank != 0 || checkpoint.export_hf.empty()) return;
  if (find_checkpoint(checkpoint.save) == config.training.train_iters)
    export_after_training(config, std::cout);
}

/// Trains from the best checkpoint that can be read.
ExitCode train(const ParsedCommandLine& parsed, Job& job, const World& world, StopSignals& signals,
               spdlog::logger& log, RunLife& life, Watchdog& watchdog,
               std::unique_ptr<MetricsLog>& metrics) {
  const RunConfig& config = parsed.config;
  std::vector<RejectedCheckpoint> rejected;
  while (true) {  // again only when a checkpoint turns out to be damaged when it is read
    const StartPoint start = find_start(config, *world.control, log, rejected);
    const Datasets datasets = open_data(config, job.run, start, world, log);
    if (world.rank == 0 && metrics == nullptr) {
      print_start(parsed, job, world, datasets);
      metrics = make_metrics(config, job, world);
      metrics->write_facts("data", data_record(datasets));
      metrics->write_facts(
          "memory", memory_record(config, job.run, job.stream.device(), job.stream.num_threads()));
    }
    require_memory(config, job, world);
    begin_attempt(life, config, job, world, start.iteration);
    Trainer trainer({config, job.run, world, job.stream, datasets, start, signals, log,
                     metrics.get(), life.end ? &*life.end : nullptr, &watchdog});
    if (const auto reason = trainer.start()) {
      reject_start(config, start, *reason, *world.control, log, rejected);
      continue;
    }
    const ExitCode code = trainer.train();
    end_attempt(life, world, trainer.iteration(), code, log);
    return code;
  }
}

}  // namespace

int run_train(const ParsedCommandLine& parsed, const std::vector<std::string>& arguments,
              StopSignals& signals, std::unique_ptr<World>& world) {
  const auto start = EndWatch::SystemClock::now();
  const RunConfig& config = parsed.config;
  Job job = join_job(parsed, world, signals.fd());
  Watchdog watchdog(*world, watchdog_options(config, *world));

  require_export_place(config);
  spdlog::logger log = make_log({.rank = world->rank, .world_size = job.run.world_size});
  RunLife life = begin_life(config, job, *world, start);
  std::unique_ptr<MetricsLog> metrics;
  try {
    const ExitCode code = train(parsed, job, *world, signals, log, life, watchdog, metrics);
    world->control->barrier();
    if (metrics != nullptr) print_end(config, *metrics, arguments);
    watchdog.enter(Phase::save, config.training.train_iters);
    export_when_done(config, world->rank);
    return static_cast<int>(code);
  } catch (const CommError&) {
    const std::string folder = log_folder(config);
    write_last_calls(folder, *world);
    if (world->rank == 0 && !folder.empty())
      log.error("the last calls of each rank are in {}", last_calls_folder(folder).string());
    throw;
  }
}

}  // namespace swallow
