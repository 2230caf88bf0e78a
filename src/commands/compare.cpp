#include "commands/compare.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/check.h"
#include "checkpoint/compare.h"
#include "commands/command_flags.h"
#include "config/value_text.h"
#include "telemetry/table.h"

namespace swallow {

namespace {

constexpr int kDifferent = 1;  // the exit status

struct CompareOptions {
  std::string a, b;
  bool all = false;
  bool json = false;
};

/// True when the command is to run, false when its help was printed.
bool parse(std::vector<std::string> args, CompareOptions& options, std::ostream& out) {
  CLI::App app(
      "How two saved models differ, tensor by tensor. Each is a folder of checkpoints (the "
      "newest),\n"
      "one iteration of it, or a Hugging Face folder, of any grid and type. Exit status 0: equal,\n"
      "1: different",
      "swallow-train compare");
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  app.add_option("A", options.a, "a folder")->type_name("")->required();
  app.add_option("B", options.b, "a folder")->type_name("")->required();
  app.add_flag("--all", options.all, "show equal tensors too");
  app.add_flag("--json", options.json, "print one JSON object");
  return parse_flags(app, std::move(args), out);
}

nlohmann::ordered_json json_of(const ModelDifference& difference) {
  nlohmann::ordered_json json{
      {"equal", difference.equal()}, {"missing", difference.missing}, {"notes", difference.notes}};
  for (const TensorDifference& tensor : difference.tensors)
    json["tensors"].push_back({{"name", tensor.name},
                               {"kind", name_of(tensor.kind)},
                               {"elements", tensor.shape.numel()},
                               {"different", tensor.different},
                               {"max_abs", tensor.max_abs},
                               {"max_rel", tensor.max_rel},
                               {"rms", tensor.rms}});
  return json;
}

void print_table(const CompareOptions& options, const ModelDifference& difference,
                 std::ostream& out) {
  TextTable table{
      .title = fmt::format("{} and {}", options.a, options.b),
      .header = {"tensor", "kind", "elements", "different", "max abs", "max rel", "rms"}};
  int64_t different = 0;
  for (const TensorDifference& tensor : difference.tensors) {
    if (tensor.different > 0) ++different;
    if (!options.all && tensor.different == 0) continue;
    table.rows.push_back(
        {tensor.name, std::string(name_of(tensor.kind)), fmt::format("{}", tensor.shape.numel()),
         fmt::format("{}", tensor.different), fmt::format("{:.3e}", tensor.max_abs),
         fmt::format("{:.3e}", tensor.max_rel), fmt::format("{:.3e}", tensor.rms)});
  }
  if (!table.rows.empty()) out << table.text();
  for (const std::string& line : difference.missing) out << "  " << line << "\n";
  for (const std::string& line : difference.notes) out << "  " << line << "\n";
  if (difference.equal())
    out << fmt::format("equal: {} tensors\n", difference.tensors.size());
  else
    out << fmt::format("different: {} of {} tensors, {} missing or of another shape\n", different,
                       difference.tensors.size(), difference.missing.size());
}

}  // namespace

int run_compare(std::vector<std::string> args, std::ostream& out) {
  CompareOptions options;
  if (!parse(std::move(args), options, out)) return 0;
  const ModelDifference difference = compare_models(SavedModel(options.a), SavedModel(options.b));
  if (options.json)
    out << json_of(difference).dump(2, ' ', false, nlohmann::json::error_handler_t::replace)
        << "\n";
  else
    print_table(options, difference, out);
  return difference.equal() ? 0 : kDifferent;
}

}  // namespace swallow
