#include "commands/plan.h"

#include <algorithm>
#include <iostream>
#include <optional>
#include <ostream>

#include "base/check.h"
#include "base/math.h"
#include "commands/checkpoint_args.h"
#include "commands/job.h"
#include "commands/own_flags.h"
#include "config/run_shape.h"
#include "plan/data_table.h"
#include "plan/memory_advice.h"
#include "plan/memory_table.h"
#include "plan/pipeline_plan.h"
#include "plan/pipeline_text.h"
#include "plan/preset_table.h"
#include "plan/process_map.h"
#include "train/order_check.h"

namespace swallow {

namespace {

constexpr Range kNodes{1, 100'000};
constexpr Range kGpusPerNode{1, 1024};
constexpr Range kWorldSize{1, 10'000'000};

/// Where the ranks would run.
struct Machine {
  int world_size = 1;
  int ranks_per_node = 8;
  std::optional<MemoryLimit> memory;  // of a GPU, where it is known
};

std::optional<MemoryLimit> memory_limit(const ParsedCommandLine& parsed) {
  if (!parsed.own.contains("gpu-memory-gib")) return {};
  const double gib = real_or(parsed.own, "gpu-memory-gib", 0, {.low = 1, .high = 1e5});
  return MemoryLimit{.device = "the GPU", .bytes = static_cast<int64_t>(gib * (1 << 30))};
}

/// As the flags say; else the paper's nodes for a preset of its; else the fewest ranks that do.
int world_size_of(const ParsedCommandLine& parsed, int64_t ranks_per_node) {
  const OwnFlags& own = parsed.own;
  if ((own.contains("nodes") ? 1 : 0) + (own.contains("world-size") ? 1 : 0) +
          (parsed.nproc > 0 ? 1 : 0) >
      1)
    throw ConfigError("more than one of --nodes, --world-size and --nproc is given; expected one");
  if (own.contains("world-size"))
    return static_cast<int>(integer_or(own, "world-size", 0, kWorldSize));
  if (parsed.nproc > 0) return parsed.nproc;
  const ParallelConfig& p = parsed.config.parallel;
  const int64_t nodes = integer_or(own, "nodes", p.paper_nodes, kNodes);
  return narrow<int>(nodes > 0 ? nodes * ranks_per_node
                               : p.tensor_model_parallel_size * p.pipeline_model_parallel_size);
}

Machine machine_of(const ParsedCommandLine& parsed) {
  Machine machine;
  const int64_t per_node = integer_or(parsed.own, "gpus-per-node", 8, kGpusPerNode);
  machine.world_size = world_size_of(parsed, per_node);
  machine.ranks_per_node = static_cast<int>(per_node);
  machine.memory = memory_limit(parsed);
  if (machine.memory && parsed.config.parallel.backend == Backend::cpu)
    throw ConfigError("--gpu-memory-gib: expected no such flag with --backend cpu");
  return machine;
}

/// What training would check before it joins a job, but for data, which a plan may go without.
void complete(ParsedCommandLine& parsed) {
  complete_model(parsed);
  RunConfig& config = parsed.config;
  if (leaves_backend_open(parsed)) config.parallel.backend = Backend::cuda;
  if (config.data.data_path.empty() && config.data.train_data_path.empty())
    config.data.mock_data = true;
}

std::string map_text(const RunConfig& config, const RunShape& run, const Machine& machine) {
  const ProcessGrid grid({.dp = run.dp, .tp = run.tp, .pp = run.pp});
  return grid_tables(config, run, grid, assumed_hosts(run.world_size, machine.ranks_per_node));
}

std::string title(const RunConfig& config, const RunShape& run, const Machine& machine) {
  const auto parameters = static_cast<double>(parameter_count(model_size(config.model, run)));
  return fmt::format("Plan of {}: {:.1f} M parameters, {} ranks, {} on a host\n",
                     config.preset.empty() ? "a run without a preset" : "preset " + config.preset,
                     parameters / 1e6, run.world_size,
                     std::min(run.world_size, machine.ranks_per_node));
}

/// The ledger, and what to do where it does not fit. Returns whether it may fit.
bool print_memory(const RunConfig& config, const RunShape& run, const Machine& machine,
                  std::ostream& out) {
  const bool gpu = config.parallel.backend == Backend::cuda;
  const Device device{gpu ? DeviceKind::cuda : DeviceKind::cpu, 0};
  const int threads =
      gpu ? 1 : threads_per_rank(config, std::min(run.world_size, machine.ranks_per_node));
  const std::vector<StageLedger> stages = plan_stages(config, run, device, threads);
  out << memory_table(stages, machine.memory);
  if (!machine.memory) return true;
  out << memory_verdict(stages, *machine.memory);
  const int64_t left = machine.memory->bytes - fullest_bytes(stages);
  if (left < kBesideLedgerBytes)
    out << "\n" << memory_advice(memory_changes(config, run, device, threads), *machine.memory);
  return left >= 0;
}

void print_pipeline(const RunConfig& config, const RunShape& run, std::ostream& out) {
  if (run.pp == 1) return;
  const SimulationResult step = simulate(plan_schedules(config, run), flop_costs(config, run));
  out << fmt::format("\nCourse of a step of {} micro-batches, timed by its FLOPs alone\n",
                     run.num_microbatches)
      << pipeline_text(step);
}

}  // namespace

int run_plan(ParsedCommandLine parsed, std::ostream& out) {
  if (parsed.own.contains("presets-markdown")) {
    out << presets_markdown();
    return 0;
  }
  complete(parsed);
  for (const std::string& notice : parsed.notices) std::cerr << notice << "\n";
  const RunConfig& config = parsed.config;
  const Machine machine = machine_of(parsed);
  const RunShape run = resolve(config, machine.world_size);
  if (parsed.own.contains("map")) {
    out << map_text(config, run, machine);
    return 0;
  }
  std::optional<Datasets> datasets;
  if (!config.data.mock_data) datasets = open_datasets(data_options(config));
  out << title(config, run, machine) << "\n" << map_text(config, run, machine) << "\n";
  const bool fits = print_memory(config, run, machine, out);
  print_pipeline(config, run, out);
  if (datasets) out << "\n" << data_table(*datasets);
  return static_cast<int>(fits ? ExitCode::ok : ExitCode::resources);
}

}  // namespace swallow
