#include "launch/environment.h"

#include <array>
#include <charconv>
#include <cstdlib>
#include <fstream>

#include "base/check.h"
#include "launch/host_list.h"
#include "launch/rendezvous_address.h"
#include "launch/variable_reader.h"

namespace swallow {
namespace {

constexpr int kMostRanks = 65536;

/// The variables of a launcher that gives rank and size directly.
struct RankVariables {
  std::string_view source;
  std::string_view marker;  // must be set as well; empty: none
  std::string_view rank;
  std::string_view size;
  std::string_view local_rank;
  std::string_view local_size;
};

// PMIX_RANK is not here: it comes without a size. OMPI_COMM_WORLD_NODE_RANK neither: it is a rank
// within a node, not a node's number.
constexpr RankVariables kOwnLauncher = {"swallow-train --nproc", "",
                                        "SWALLOW_RANK",          "SWALLOW_SIZE",
                                        "SWALLOW_LOCAL_RANK",    "SWALLOW_LOCAL_SIZE"};
constexpr RankVariables kOpenMpi = {"Open MPI",
                                    "",
                                    "OMPI_COMM_WORLD_RANK",
                                    "OMPI_COMM_WORLD_SIZE",
                                    "OMPI_COMM_WORLD_LOCAL_RANK",
                                    "OMPI_COMM_WORLD_LOCAL_SIZE"};
constexpr RankVariables kHydra = {"Hydra",    "MPI_LOCALNRANKS", "PMI_RANK",
                                  "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"};
constexpr RankVariables kTorchrun = {"torchrun",   "TORCHELASTIC_RUN_ID", "RANK",
                                     "WORLD_SIZE", "LOCAL_RANK",          "LOCAL_WORLD_SIZE"};
constexpr RankVariables kBareTorch = {"RANK and WORLD_SIZE", "",           "RANK",
                                      "WORLD_SIZE",          "LOCAL_RANK", "LOCAL_WORLD_SIZE"};
constexpr RankVariables kBarePmi = {
    "PMI_RANK and PMI_SIZE", "", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"};

/// A value that must be below another one of the same launcher.
void check_below(std::string_view name, int value, std::string_view limit_name, int limit) {
  if (value >= limit)
    throw ConfigError("{}={} contradicts {}={}: it must be below it", name, value, limit_name,
                      limit);
}

/// Takes rank and size from one launcher's variables; false when it did not start this process.
bool read_ranks(VariableReader& reader, const RankVariables& names, LaunchEnvironment& result) {
  if (!names.marker.empty() && !reader.has(names.marker)) return false;
  const bool has_rank = reader.has(names.rank);
  const bool has_size = reader.has(names.size);
  if (!has_rank && !has_size) return false;
  if (has_rank != has_size)
    throw ConfigError("{} is set but {} is not: set both or neither",
                      has_rank ? names.rank : names.size, has_rank ? names.size : names.rank);
  result.source = names.source;
  result.rank = reader.integer(names.rank, 0, kMostRanks - 1).value_or(0);
  result.world_size = reader.integer(names.size, 1, kMostRanks).value_or(1);
  check_below(names.rank, result.rank, names.size, result.world_size);
  result.local_rank = reader.integer(names.local_rank, 0, kMostRanks - 1).value_or(-1);
  result.local_size = reader.integer(names.local_size, 1, kMostRanks).value_or(-1);
  if (result.local_size > result.world_size)
    throw ConfigError("{}={} contradicts {}={}: a host cannot have more ranks than the job",
                      names.local_size, result.local_size, names.size, result.world_size);
  if (result.local_size > 0)
    check_below(names.local_rank, result.local_rank, names.local_size, result.local_size);
  return true;
}

/// A task that srun started. A batch script has SLURM_PROCID=0 and SLURM_NTASKS=8 as well; only a
/// step has SLURM_STEP_ID.
bool read_slurm_step(VariableReader& reader, LaunchEnvironment& result) {
  const bool step_size = reader.has("SLURM_STEP_NUM_TASKS");
  const std::string_view size = step_size ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS";
  if (!reader.has("SLURM_STEP_ID") || !reader.has("SLURM_PROCID") || !reader.has(size))
    return false;
  result.source = "Slurm step";
  result.rank = reader.integer("SLURM_PROCID", 0, kMostRanks - 1).value_or(0);
  result.world_size = reader.integer(size, 1, kMostRanks).value_or(1);
  check_below("SLURM_PROCID", result.rank, size, result.world_size);
  result.local_rank = reader.integer("SLURM_LOCALID", 0, kMostRanks - 1).value_or(-1);
  if (!reader.has("SLURM_NODEID") || !reader.has("SLURM_STEP_TASKS_PER_NODE")) return true;
  const int node = reader.integer("SLURM_NODEID", 0, kMostRanks - 1).value_or(0);
  const auto counts = expand_task_counts(*reader.text("SLURM_STEP_TASKS_PER_NODE"));
  if (node >= static_cast<int>(counts.size()))
    throw ConfigError("SLURM_NODEID={} contradicts SLURM_STEP_TASKS_PER_NODE={}: it has {} nodes",
                      node, *reader.peek("SLURM_STEP_TASKS_PER_NODE"), counts.size());
  result.local_size = counts[static_cast<size_t>(node)];
  check_below("SLURM_LOCALID", result.local_rank, "SLURM_STEP_TASKS_PER_NODE", result.local_size);
  return true;
}

/// RANK and PMI_RANK without a launcher's mark are equally near: they must agree.
void check_bare_agree(const VariableReader& reader) {
  using Pair = std::array<std::string_view, 2>;
  for (const auto& [a, b] :
       {Pair{kBareTorch.rank, kBarePmi.rank}, Pair{kBareTorch.size, kBarePmi.size}}) {
    const auto left = reader.peek(a);
    const auto right = reader.peek(b);
    if (left && right && *left != *right)
      throw ConfigError("{}={} contradicts {}={}: unset one of them", a, *left, b, *right);
  }
}

/// Two lines make a PBS node file an allocation for more than one process.
bool has_two_lines(const std::string& path) {
  std::ifstream file(path);
  std::string host;
  return static_cast<bool>(file >> host >> host);
}

/// What a person most likely forgot when one process sees room for several; empty if nothing.
std::string forgotten_launcher(const VariableReader& reader) {
  const auto above_one = [&](std::string_view name) {
    const auto value = reader.peek(name);
    int number = 0;
    if (value) std::from_chars(value->data(), value->data() + value->size(), number);
    return number > 1;
  };
  const auto hint = [&](std::string_view name, std::string_view launcher) {
    return fmt::format("one process, but {}={} is an allocation for more: did you forget {}?", name,
                       reader.peek(name).value_or(""), launcher);
  };
  if (reader.has("SLURM_JOB_ID"))
    for (const std::string_view name : {"SLURM_NTASKS", "SLURM_JOB_NUM_NODES"})
      if (above_one(name)) return hint(name, "srun or mpirun");
  if (const auto path = reader.peek("PBS_NODEFILE"); path && has_two_lines(*path))
    return hint("PBS_NODEFILE", "mpirun");
  if (above_one("NHOSTS")) return hint("NHOSTS", "mpirun");
  return {};
}

/// The same text on every rank of this job, and another one in the next job.
std::string find_run_id(VariableReader& reader, const LaunchEnvironment& environment) {
  if (const auto key = reader.text("SWALLOW_KEY")) return *key;
  const auto restart = [&](std::string_view name) {
    const auto count = reader.text(name);
    return count ? "." + *count : std::string();
  };
  if (environment.source == "Slurm step")
    return "slurm-" + reader.text("SLURM_JOB_ID").value_or("") + "." +
           reader.text("SLURM_STEP_ID").value_or("") + restart("SLURM_RESTART_COUNT");
  if (environment.source == kTorchrun.source)
    return "torchrun-" + *reader.text("TORCHELASTIC_RUN_ID") +
           restart("TORCHELASTIC_RESTART_COUNT");
  if (environment.source == kOpenMpi.source)
    if (const auto name = reader.text("PMIX_NAMESPACE")) return "openmpi-" + *name;
  // Nothing names this launch; the batch job or the user at least keeps strangers apart.
  for (const std::string_view name : {"SLURM_JOB_ID", "PBS_JOBID", "JOB_ID", "USER"})
    if (const auto value = reader.text(name)) return *value;
  return "swallow-train";
}

/// Slurm from 23.02 on says in seconds since 1970 when the job's time is up; the other schedulers
/// do not say.
std::optional<std::chrono::system_clock::time_point> find_job_end(VariableReader& reader) {
  const auto text = reader.text("SLURM_JOB_END_TIME");
  if (!text) return std::nullopt;
  int64_t seconds = 0;
  const char* end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, seconds);
  if (error != std::errc() || stop != end || seconds < 0 || seconds > INT32_MAX * int64_t{128})
    throw ConfigError("SLURM_JOB_END_TIME={}: expected seconds since 1970", *text);
  return std::chrono::system_clock::from_time_t(seconds);
}

}  // namespace

LaunchEnvironment resolve_environment(const EnvironmentLookup& lookup,
                                      std::string_view rendezvous) {
  LaunchEnvironment result;
  VariableReader reader(lookup, result.used);
  const bool launched = read_ranks(reader, kOwnLauncher, result) ||
                        read_ranks(reader, kOpenMpi, result) ||
                        read_ranks(reader, kHydra, result) ||
                        read_ranks(reader, kTorchrun, result) || read_slurm_step(reader, result);
  if (!launched) {
    check_bare_agree(reader);
    if (!read_ranks(reader, kBareTorch, result) && !read_ranks(reader, kBarePmi, result)) {
      result.source = "single process";
      result.local_rank = 0;
      result.local_size = 1;
      result.notice = forgotten_launcher(reader);
    }
  }
  result.run_id = find_run_id(reader, result);
  result.job_end = find_job_end(reader);
  if (result.world_size == 1) return result;
  resolve_rendezvous_address(reader, rendezvous, result);
  if (result.rank == 0 && result.source == kOwnLauncher.source)
    result.listen_fd = reader.integer("SWALLOW_LISTEN_FD", 3, 1 << 20).value_or(-1);
  return result;
}

EnvironmentLookup process_environment() {
  return [](std::string_view name) -> std::optional<std::string> {
    const char* value = std::getenv(std::string(name).c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

}  // namespace swallow
