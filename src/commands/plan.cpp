#include "commands/plan.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <optional>
#include <ostream>

#include "base/check.h"
#include "base/math.h"
#include "commands/checkpoint_args.h"
#include "commands/job.h"
#include "commands/own_flags.h"
#include "config/run_shape.h"
#include "config/value_text.h"
#include "plan/data_table.h"
#include "plan/hardware_profile.h"
#include "plan/layout_search.h"
#include "plan/memory_advice.h"
#include "plan/memory_table.h"
#include "plan/pipeline_plan.h"
#include "plan/pipeline_text.h"
#include "plan/preset_table.h"
#include "plan/process_map.h"
#include "plan/ranking_table.h"
#include "plan/software_profile.h"
#include "plan/step_table.h"
#include "report/layout_map.h"
#include "report/planned_step.h"
#include "telemetry/number_text.h"
#include "train/order_check.h"

namespace swallow {

namespace {

constexpr Range kNodes{1, 100'000};
constexpr Range kGpusPerNode{1, 1024};
constexpr Range kWorldSize{1, 10'000'000};
constexpr double kMostTokens = 1e18;

/// Where the ranks would run.
struct Machine {
  int world_size = 1;
  int ranks_per_node = 8;
  std::optional<MemoryLimit> memory;       // of a GPU, where it is known
  std::optional<HardwareProfile> profile;  // without it no times are told
  SoftwareProfile software;
};

std::string text_or(const OwnFlags& own, const std::string& name, const std::string& otherwise) {
  const auto found = own.find(name);
  return found == own.end() ? otherwise : found->second;
}

std::optional<HardwareProfile> profile_of(const ParsedCommandLine& parsed) {
  const std::string name = text_or(parsed.own, "gpu", "");
  if (name.empty()) {
    for (const char* const needs : {"search", "software", "tokens", "svg"})
      if (parsed.own.contains(needs))
        throw ConfigError(
            "--{} needs --gpu: without it no times can be told; expected one of {}, "
            "or a profile's file",
            needs, fmt::join(hardware_profile_names(), ", "));
    return {};
  }
  HardwareProfile profile = load_hardware_profile(name);
  const bool cpu = parsed.config.parallel.backend == Backend::cpu;
  if (cpu != (profile.shared_cores > 0))
    throw ConfigError("--gpu {}: its profile is of a {}, but --backend is {}", printable(name),
                      cpu ? "GPU" : "CPU", cpu ? "cpu" : "cuda");
  return profile;
}

std::optional<MemoryLimit> memory_limit(const ParsedCommandLine& parsed,
                                        const std::optional<HardwareProfile>& profile) {
  if (parsed.own.contains("gpu-memory-gib")) {
    const double gib = real_or(parsed.own, "gpu-memory-gib", 0, {.low = 1, .high = 1e5});
    return MemoryLimit{.device = "the GPU", .bytes = static_cast<int64_t>(gib * (1 << 30))};
  }
  if (!profile || profile->shared_cores > 0) return {};
  return MemoryLimit{.device = profile->name, .bytes = profile->memory_bytes};
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
  machine.profile = profile_of(parsed);
  const int64_t usual = machine.profile ? machine.profile->ranks_per_node : 8;
  const int64_t per_node = integer_or(parsed.own, "gpus-per-node", usual, kGpusPerNode);
  if (machine.profile) machine.profile->ranks_per_node = per_node;
  machine.world_size = world_size_of(parsed, per_node);
  machine.ranks_per_node = static_cast<int>(per_node);
  machine.memory = memory_limit(parsed, machine.profile);
  const bool cpu = machine.profile && machine.profile->shared_cores > 0;
  machine.software = software_profile(
      text_or(parsed.own, "software", cpu ? "swallow-train-cpu" : "swallow-train"));
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

/// It need not exist.
Device planned_device(const RunConfig& config) {
  return {config.parallel.backend == Backend::cuda ? DeviceKind::cuda : DeviceKind::cpu, 0};
}

/// The ledger, and what to do where it does not fit. Returns whether it may fit.
bool print_memory(const RunConfig& config, const RunShape& run, const Machine& machine,
                  std::ostream& out) {
  const Device device = planned_device(config);
  const int threads =
      device.kind == DeviceKind::cuda
          ? 1
          : threads_per_rank(config, std::min(run.world_size, machine.ranks_per_node));
  const std::vector<StageLedger> stages = plan_stages(config, run, device, threads);
  out << memory_table(stages, machine.memory);
  if (!machine.memory) return true;
  out << memory_verdict(stages, *machine.memory);
  const int64_t left = machine.memory->bytes - fullest_bytes(stages);
  if (left < kBesideLedgerBytes)
    out << "\n" << memory_advice(memory_changes(config, run, device, threads), *machine.memory);
  return left >= 0;
}

/// Where the seconds of a step go, and how its pipeline runs: in seconds by a profile, or else
/// timed by FLOPs.
SimulationResult print_step(const ParsedCommandLine& parsed, const RunShape& run,
                            const Machine& machine, std::ostream& out) {
  const RunConfig& config = parsed.config;
  SimulationCosts costs;
  if (machine.profile) {
    const StepCase step = step_case(config, run);
    const StepEstimate estimate = estimate_step(*machine.profile, machine.software, step);
    const auto run_tokens =
        static_cast<double>(step.tokens_per_step() * config.training.train_iters);
    const double tokens =
        real_or(parsed.own, "tokens", run_tokens, {.low = 1, .high = kMostTokens});
    out << "\n" << step_table(estimate, step, *machine.profile, machine.software, tokens);
    costs = simulation_costs(*machine.profile, machine.software, estimate);
  } else {
    costs = flop_costs(config, run);
  }
  SimulationResult course = simulate(plan_schedules(config, run), costs);
  if (run.pp > 1)
    out << fmt::format("\nCourse of a step of {} micro-batches{}\n", run.num_microbatches,
                       machine.profile ? "" : ", timed by its FLOPs alone")
        << pipeline_text(course);
  return course;
}

void write_svg(const ParsedCommandLine& parsed, const std::string& picture, std::ostream& out) {
  const std::string& path = parsed.own.at("svg");
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << picture << std::flush;
  if (!file) throw IoError("--svg {}: cannot write there", printable(path));
  out << "picture: " << printable(path) << "\n";
}

/// Every layout of these ranks, and where the settings' own stands among them.
void print_search(const ParsedCommandLine& parsed, const RunShape& run, const Machine& machine,
                  std::ostream& out) {
  const RunConfig& config = parsed.config;
  const Device device = planned_device(config);
  const int64_t limit = machine.memory ? machine.memory->bytes - kBesideLedgerBytes : INT64_MAX;
  const LayoutQuestion question{
      .config = config,
      .num_ranks = run.world_size,
      .memory_limit = limit,
      .planned_bytes = [&](const RunConfig& candidate, const RunShape& shape) {
        return fullest_bytes(plan_stages(candidate, shape, device, 1));
      }};
  const LayoutRanking ranking = search_layouts(question, *machine.profile, machine.software);
  const Layout given = layout_of(config, run);
  out << ranking_text(ranking, given)
      << fmt::format("by profiles {} and {}; {} of a GPU are left to the driver and libraries\n",
                     machine.profile->name, machine.software.name, bytes_text(kBesideLedgerBytes));
  if (parsed.own.contains("svg"))
    write_svg(parsed,
              layout_map_svg(ranking, given,
                             fmt::format("{} ranks of {}", run.world_size, machine.profile->name)),
              out);
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
  if (parsed.own.contains("search")) {
    out << title(config, run, machine) << "\n";
    print_search(parsed, run, machine, out);
    return 0;
  }
  std::optional<Datasets> datasets;
  if (!config.data.mock_data) datasets = open_datasets(data_options(config));
  out << title(config, run, machine) << "\n" << map_text(config, run, machine) << "\n";
  const bool fits = print_memory(config, run, machine, out);
  const SimulationResult course = print_step(parsed, run, machine, out);
  if (datasets) out << "\n" << data_table(*datasets);
  if (parsed.own.contains("svg")) write_svg(parsed, planned_step_svg(course, "planned"), out);
  return static_cast<int>(fits ? ExitCode::ok : ExitCode::resources);
}

}  // namespace swallow
