// A whole run by ranks that are threads, as `swallow-train` does it: find where to start, go back
// where a checkpoint is damaged, train.
#pragma once

#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "support/ranks.h"
#include "support/scratch_folder.h"
#include "support/tiny_model.h"
#include "train/trainer.h"

namespace swallow::test {

struct WholeRun {
  ExitCode code = ExitCode::ok;
  std::string log;                   // of all ranks
  std::vector<nlohmann::json> rows;  // of metrics.jsonl

  [[nodiscard]] std::vector<nlohmann::json> rows_of(const std::string& kind) const {
    std::vector<nlohmann::json> result;
    for (const auto& row : rows)
      if (row.at("kind") == kind) result.push_back(row);
    return result;
  }
};

/// Trains on threads as far as the configuration says. What a rank throws is thrown here; `log`,
/// when given, has the words of the ranks all the same.
inline WholeRun whole_run(RunConfig config, GridShape grid, std::ostringstream* log_out = nullptr) {
  config.parallel.tensor_model_parallel_size = grid.tp;
  config.parallel.pipeline_model_parallel_size = grid.pp;
  config.parallel.sequence_parallel = grid.tp > 1;
  const RunShape run = resolve(config, grid.world_size());
  const ScratchFolder scratch;
  std::ostringstream own, console;
  std::ostringstream& words = log_out != nullptr ? *log_out : own;
  const auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(words);
  const std::vector<HostIdentity> hosts(static_cast<size_t>(grid.world_size()), this_host());
  WholeRun result;
  run_ranks(grid, [&](World& world) {
    spdlog::logger log("test", sink);
    std::unique_ptr<MetricsLog> metrics;
    if (world.rank == 0)
      metrics = std::make_unique<MetricsLog>(
          MetricsLogOptions{.jsonl_path = scratch / "metrics.jsonl",
                            .world_size = grid.world_size(),
                            .places = rank_places(world.grid, HostMap::from(hosts))},
          console);
    std::vector<RejectedCheckpoint> rejected;
    while (true) {
      const StartPoint start = find_start(config, *world.control, log, rejected);
      const Datasets datasets = open_datasets(data_options(config, start));
      Stream stream{Device{}};
      StopSignals signals;
      Trainer trainer({config, run, world, stream, datasets, start, signals, log, metrics.get()});
      if (const auto reason = trainer.start()) {
        reject_start(config, start, *reason, *world.control, log, rejected);
        continue;
      }
      const ExitCode code = trainer.train();
      if (world.rank == 0) result.code = code;
      return;
    }
  });
  result.log = words.str();
  std::ifstream file(scratch / "metrics.jsonl");
  for (std::string line; std::getline(file, line);)
    result.rows.push_back(nlohmann::json::parse(line));
  return result;
}

/// Contents of every tensor file of an iteration, by name.
inline std::map<std::string, std::string> tensor_bytes(const std::string& folder,
                                                       int64_t iteration) {
  std::map<std::string, std::string> files;
  const auto path = std::filesystem::path(folder) / fmt::format("iter_{:07}", iteration);
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.path().extension() != ".safetensors") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    files[entry.path().filename()] = bytes.str();
  }
  return files;
}

}  // namespace swallow::test
