#include "commands/inspect.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <ostream>

#include "base/check.h"
#include "commands/command_flags.h"
#include "commands/inspect_dataset.h"
#include "commands/inspect_model.h"
#include "config/value_text.h"

namespace swallow {

namespace {

/// True when the command is to run, false when its help was printed.
bool parse(std::vector<std::string> args, InspectOptions& options, std::ostream& out) {
  std::string vocab_size;
  CLI::App app(
      "What is in a Megatron dataset, FILE.idx and the FILE.bin beside it; in a folder of\n"
      "checkpoints (the newest) or one iteration of it; or in a Hugging Face folder",
      "swallow-train inspect");
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  app.add_option("PATH", options.path, "the index, or the prefix of both files; or a folder")
      ->type_name("")
      ->required();
  app.add_option("--documents", options.documents,
                 "of a dataset: show the first tokens of documents A to B - 1, counted from 0")
      ->type_name("A:B");
  CLI::Option* verify = app.add_flag("--verify", options.verify, "read and check every byte");
  app.add_option("--vocab-size", vocab_size,
                 "of a dataset, with --verify: tokens must be below this")
      ->type_name("N")
      ->needs(verify);
  app.add_flag("--json", options.json, "print one JSON object");
  if (!parse_flags(app, std::move(args), out)) return false;
  if (!vocab_size.empty())
    options.vocab_size = parse_integer("--vocab-size ", vocab_size, {1, 2147483648.0});
  return true;
}

}  // namespace

int run_inspect(std::vector<std::string> args, std::ostream& out) {
  InspectOptions options;
  if (!parse(std::move(args), options, out)) return 0;
  if (!std::filesystem::is_directory(options.path)) {
    inspect_dataset(options, out);
    return 0;
  }
  if (!options.documents.empty() || options.vocab_size > 0)
    throw ConfigError("--{}: is for datasets, {} is a folder",
                      options.documents.empty() ? "vocab-size" : "documents",
                      printable(options.path));
  inspect_model(options, out);
  return 0;
}

}  // namespace swallow
