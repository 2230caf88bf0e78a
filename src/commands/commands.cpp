#include "commands/commands.h"

#include <cstdlib>
#include <iostream>
#include <span>

#include "commands/bench.h"
#include "commands/checkpoint_args.h"
#include "commands/compare.h"
#include "commands/export.h"
#include "commands/import.h"
#include "commands/inspect.h"
#include "commands/jobscript.h"
#include "commands/node_check.h"
#include "commands/plan.h"
#include "commands/preprocess.h"
#include "commands/report.h"
#include "commands/train.h"
#include "config/cli.h"
#include "config/help.h"
#include "config/run_shape.h"
#include "device/devices.h"
#include "launch/local_launcher.h"
#include "launch/stop_signals.h"
#include "telemetry/table.h"

namespace swallow {

namespace {

void print_config(const ParsedCommandLine& parsed) {
  TextTable table{.title = "Configuration", .header = {"flag", "value", "origin"}};
  for (const ConfigRow& row : config_rows(parsed))
    table.rows.push_back({row.flag, row.value, row.origin});
  std::cout << table.text();
}

/// What is asked first when something goes wrong: the build, and what this machine gives it.
void print_version() {
  std::cout << version_text() << "\n";
  const std::vector<LibraryVersion> libraries = accelerator_libraries();
  if (libraries.empty()) std::cout << "CUDA: not compiled in\n";
  for (const LibraryVersion& library : libraries)
    std::cout << fmt::format("{}: {}\n", library.name,
                             library.version.empty() ? library.problem : library.version);
  for (const DeviceInfo& device : list_devices())
    std::cout << fmt::format("{}: {}, {:.1f} GiB, sm_{}\n", to_string(device.device), device.name,
                             static_cast<double>(device.memory_bytes) / (1 << 30),
                             device.compute_capability);
}

/// --nproc is for the parent; the copies it starts are told by SWALLOW_RANK that they are ranks.
bool is_parent(const ParsedCommandLine& parsed) {
  return parsed.nproc > 0 && std::getenv("SWALLOW_RANK") == nullptr;
}

int run_parent(const ParsedCommandLine& parsed, char** argv) {
  // A mistake is one message, not one a rank.
  (parsed.command == "node-check" ? resolve_grid : resolve)(parsed.config, parsed.nproc);
  size_t count = 0;
  while (argv[count] != nullptr) ++count;
  return launch_local(parsed.nproc, std::span<char* const>(argv, count));
}

}  // namespace

int run_command(const std::vector<std::string>& arguments, char** argv,
                std::unique_ptr<World>& world) {
  ParsedCommandLine parsed = parse_command_line(arguments);
  switch (parsed.request) {
    case Request::help:
      std::cout << help_text();
      return 0;
    case Request::help_markdown:
      std::cout << flags_markdown();
      return 0;
    case Request::version:
      print_version();
      return 0;
    case Request::print_config:
      print_config(parsed);
      return 0;
    case Request::run:
      break;
  }
  if (parsed.command == "export") return run_export(parsed.rest, std::cout);
  if (parsed.command == "import") return run_import(parsed, std::cout);
  if (parsed.command == "preprocess") return run_preprocess(parsed.rest);
  if (parsed.command == "inspect") return run_inspect(parsed.rest, std::cout);
  if (parsed.command == "compare") return run_compare(parsed.rest, std::cout);
  if (parsed.command == "report") return run_report_command(parsed.rest, std::cout);
  if (parsed.command == "jobscript") return run_jobscript(parsed, arguments, std::cout);
  if (parsed.command == "plan") return run_plan(std::move(parsed), std::cout);
  const bool bench = parsed.command == "bench";
  const bool node_check = parsed.command == "node-check";
  if (bench) prepare_bench(parsed);
  if (node_check)
    prepare_node_check(parsed);
  else
    complete_model(parsed);
  const bool parent = is_parent(parsed);
  if (parent || std::getenv("SWALLOW_RANK") == nullptr)
    for (const std::string& notice : parsed.notices) std::cerr << notice << "\n";
  if (parent) return run_parent(parsed, argv);
  if (bench) return run_bench(parsed, world);
  if (node_check) return run_node_check(parsed, world);
  StopSignals signals;
  return run_train(parsed, arguments, signals, world);
}

}  // namespace swallow
