#include "commands/report.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <ostream>

#include "base/check.h"
#include "commands/command_flags.h"
#include "config/value_text.h"
#include "report/page.h"
#include "report/scaling.h"
#include "report/summary.h"

namespace swallow {

namespace {

struct ReportOptions {
  std::vector<std::string> runs;
  std::vector<std::string> bench;
  std::string output;
  std::string trace_dir;
};

/// True when the command is to run, false when its help was printed.
bool parse(std::vector<std::string> args, ReportOptions& options, std::ostream& out) {
  CLI::App app(
      "Curves, times, memory, ranks, data and jobs of a run in one HTML file that needs nothing\n"
      "else; several runs are laid over each other. Or with --bench: speed against ranks",
      "swallow-train report");
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  CLI::Option* runs =
      app.add_option("RUN", options.runs, "a run's folder, or its metrics.jsonl")->type_name("");
  app.add_option("--bench", options.bench, "records that bench --output has written")
      ->type_name("FILE...")
      ->excludes(runs);
  app.add_option("--output", options.output, "the file to write [report.html; scaling.html]")
      ->type_name("FILE");
  app.add_option("--trace-dir", options.trace_dir,
                 "folder of the first run's trace-RANK.json [RUN/trace]")
      ->type_name("DIR");
  if (!parse_flags(app, std::move(args), out)) return false;
  if (options.runs.empty() && options.bench.empty())
    throw ConfigError("report: no RUN given; expected the folder of a run, or --bench FILE...");
  std::error_code error;
  if (!options.trace_dir.empty() && !std::filesystem::is_directory(options.trace_dir, error))
    throw ConfigError("--trace-dir {}: is no folder", printable(options.trace_dir));
  if (options.output.empty())
    options.output = options.bench.empty() ? "report.html" : "scaling.html";
  return true;
}

/// A page must not take the place of what it is made of.
void require_other_file(const ReportOptions& options) {
  std::vector<std::string> inputs = options.bench;
  for (const std::string& run : options.runs) {
    inputs.push_back(run);
    inputs.push_back(run + "/metrics.jsonl");
    inputs.push_back(run + "/attempts.jsonl");
    inputs.push_back(run + "/config.json");
  }
  std::error_code none;
  for (const std::string& input : inputs)
    if (std::filesystem::equivalent(options.output, input, none))
      throw ConfigError("--output {}: is what the report is made of; expected another file",
                        printable(options.output));
}

void write(const std::string& path, const std::string& page) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  if (!file) throw ConfigError("--output {}: cannot write there", printable(path));
  file << page << std::flush;
  if (!file) throw IoError("--output {}: writing failed", printable(path));
}

}  // namespace

int run_report_command(std::vector<std::string> args, std::ostream& out) {
  ReportOptions options;
  if (!parse(std::move(args), options, out)) return 0;
  require_other_file(options);
  if (!options.bench.empty()) {
    const std::vector<BenchRecord> records = read_bench_records(options.bench);
    write(options.output, scaling_page(records));
    out << scaling_table(records);
  } else {
    std::vector<RunRecord> runs;
    for (const std::string& path : options.runs) runs.push_back(read_run(path));
    write(options.output, run_report(runs, options.trace_dir));
    for (const RunRecord& run : runs) out << terminal_summary(run) << "\n";
  }
  out << "report: " << printable(options.output) << std::endl;
  return 0;
}

}  // namespace swallow
