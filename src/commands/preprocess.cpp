#include "commands/preprocess.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <iostream>
#include <thread>

#include "base/check.h"
#include "commands/command_flags.h"
#include "commands/progress_report.h"
#include "config/value_text.h"
#include "data/input_list.h"
#include "data/merge.h"
#include "data/preprocess.h"

namespace swallow {

namespace {

void print_summary(const PreprocessResult& result, double seconds) {
  for (const std::string& line : result.first_bad_lines) {
    fmt::print(stderr, "skipped {}\n", line);
  }
  for (const PreprocessResult::Dataset& dataset : result.datasets) {
    fmt::print("{}.bin and .idx: {} documents, {} tokens, {} bytes\n", dataset.prefix,
               result.documents, dataset.tokens, dataset.bytes);
  }
  fmt::print(
      "from {} bytes in {:.1f} s ({:.0f} tokens/s); {} empty texts kept as documents, {} "
      "blank lines and {} bad lines skipped\n",
      result.input_bytes, seconds, static_cast<double>(result.tokens()) / std::max(seconds, 1e-9),
      result.empty_texts, result.blank_lines, result.bad_lines);
}

int run_merge(const MergeOptions& options) {
  MergeResult result;
  double seconds = 0;
  {
    ProgressReport report;
    result = merge_datasets(options, [&report](const PreprocessProgress& p) { report.show(p); });
    seconds = report.seconds();
  }
  fmt::print("{}.bin and .idx: {} documents, {} tokens, {} bytes from {} datasets in {:.1f} s\n",
             options.output_prefix, result.documents, result.tokens, result.output_bytes,
             options.inputs.size(), seconds);
  return 0;
}

}  // namespace

int run_preprocess(std::vector<std::string> args) {
  PreprocessOptions options;
  std::string workers = std::to_string(std::max(1U, std::thread::hardware_concurrency()));
  std::string max_bad_lines = "0";

  CLI::App app(
      "JSON Lines to a Megatron dataset, <prefix>_<key>_document.bin and .idx; or, with --merge,\n"
      "several such datasets to one, <prefix>.bin and .idx",
      "swallow-train preprocess");
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  app.add_option("--input", options.inputs,
                 "JSON Lines files, plain or gzip, or, to merge, prefixes; in order; quoted\n"
                 "patterns such as 'corpus/*.jsonl.gz' are expanded in the order of their bytes")
      ->required()
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--output-prefix", options.output_prefix, "begin of the output's names")
      ->required();
  bool joining = false;
  CLI::Option* merge =
      app.add_flag("--merge", joining, "join datasets of one token type as they are");
  CLI::Option* tokenizer =
      app.add_option("--tokenizer-model", options.tokenizer_model, "SentencePiece model");
  tokenizer->excludes(merge);
  app.add_option("--json-keys", options.json_keys, "keys of the texts; each gives a dataset")
      ->capture_default_str()
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->excludes(merge);
  app.add_flag("--append-eod", options.append_eod, "end each document with </s>")->excludes(merge);
  app.add_option("--workers", workers, "threads that tokenize")
      ->capture_default_str()
      ->excludes(merge);
  app.add_option("--max-bad-lines", max_bad_lines, "bad lines to skip before giving up")
      ->capture_default_str()
      ->excludes(merge);
  bool overwrite = false;
  app.add_flag("--overwrite", overwrite, "replace datasets of the output's names");

  if (!parse_flags(app, std::move(args), std::cout)) return 0;
  options.existing = overwrite ? Existing::replace : Existing::refuse;
  if (joining) {
    return run_merge({expand_inputs(options.inputs), options.output_prefix, options.existing});
  }
  if (tokenizer->empty()) {
    throw ConfigError("preprocess: --tokenizer-model is required unless --merge is given");
  }
  options.workers = static_cast<int>(parse_integer("--workers ", workers, {1, 1024}));
  options.max_bad_lines = parse_integer("--max-bad-lines ", max_bad_lines, {0, 1e15});

  PreprocessResult result;
  double seconds = 0;
  {
    ProgressReport report;
    result = preprocess(options, [&report](const PreprocessProgress& p) { report.show(p); });
    seconds = report.seconds();
  }
  print_summary(result, seconds);
  return 0;
}

}  // namespace swallow
