#include "commands/preprocess.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <thread>

#include "base/check.h"
#include "data/merge.h"
#include "data/preprocess.h"

namespace swallow {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// A whole decimal number: CLI11's own conversion would take 010 as eight.
int64_t parse_count(std::string_view flag, std::string_view text, int64_t least, int64_t most) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool octal = text.size() > 1 && text[0] == '0';
  if (error != std::errc{} || end != text.data() + text.size() || octal || value < least ||
      value > most) {
    throw ConfigError("{} {}: expected a whole number from {} to {}", flag, text, least, most);
  }
  return value;
}

/// One line that rewrites itself, at most ten times a second, and only on a terminal.
class ProgressLine {
 public:
  void show(const PreprocessProgress& progress) {
    if (!terminal_ || seconds_since(last_) < 0.1) return;
    last_ = Clock::now();
    const double seconds = seconds_since(begin_);
    const double done = static_cast<double>(progress.bytes_done);
    const double left = static_cast<double>(progress.bytes_total) - done;
    const auto eta = static_cast<int64_t>(done > 0 ? left / done * seconds : 0);
    fmt::print(stderr,
               "\r{:3.0f} %  {} documents  {:.1f} M tokens  {:.2f} M tokens/s  ETA {}:{:02}:{:02} ",
               100 * done / static_cast<double>(std::max<int64_t>(progress.bytes_total, 1)),
               progress.documents, static_cast<double>(progress.tokens) / 1e6,
               static_cast<double>(progress.tokens) / 1e6 / seconds, eta / 3600, eta / 60 % 60,
               eta % 60);
    std::fflush(stderr);
    shown_ = true;
  }
  ~ProgressLine() {
    if (shown_) std::fputs("\r\033[K", stderr);  // the next line begins on a clean one
  }
  [[nodiscard]] double seconds() const { return seconds_since(begin_); }

 private:
  bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  bool shown_ = false;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point last_ = begin_;
};

void print_summary(const PreprocessResult& result, double seconds) {
  for (const std::string& line : result.first_bad_lines) {
    fmt::print(stderr, "skipped {}\n", line);
  }
  fmt::print(
      "{}.bin and .idx: {} documents, {} tokens, {} bytes from {} in {:.1f} s ({:.0f} tokens/s); "
      "{} empty documents and {} bad lines skipped\n",
      result.prefix, result.documents, result.tokens, result.output_bytes, result.input_bytes,
      seconds, static_cast<double>(result.tokens) / std::max(seconds, 1e-9), result.empty_documents,
      result.bad_lines);
}

int run_merge(const MergeOptions& options) {
  MergeResult result;
  double seconds = 0;
  {
    ProgressLine line;
    result = merge_datasets(options, [&line](const PreprocessProgress& p) { line.show(p); });
    seconds = line.seconds();
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
  app.add_option("--input", options.inputs, "JSON Lines files or, to merge, prefixes, in order")
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
  app.add_option("--json-keys", options.json_key, "key that holds the text")
      ->capture_default_str()
      ->excludes(merge);
  app.add_flag("--append-eod", options.append_eod, "end each document with </s>")->excludes(merge);
  app.add_option("--workers", workers, "threads that tokenize")
      ->capture_default_str()
      ->excludes(merge);
  app.add_option("--max-bad-lines", max_bad_lines, "bad lines to skip before giving up")
      ->capture_default_str()
      ->excludes(merge);

  try {
    std::reverse(args.begin(), args.end());  // CLI11 takes a vector from its back
    app.parse(args);
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    return 0;
  } catch (const CLI::ParseError& error) {
    throw ConfigError("preprocess: {}; see swallow-train preprocess --help", error.what());
  }
  if (joining) return run_merge({options.inputs, options.output_prefix});
  if (tokenizer->empty()) {
    throw ConfigError("preprocess: --tokenizer-model is required unless --merge is given");
  }
  options.workers = static_cast<int>(parse_count("--workers", workers, 1, 1024));
  options.max_bad_lines = parse_count("--max-bad-lines", max_bad_lines, 0, INT64_MAX);

  PreprocessResult result;
  double seconds = 0;
  {
    ProgressLine line;
    result = preprocess(options, [&line](const PreprocessProgress& p) { line.show(p); });
    seconds = line.seconds();
  }
  print_summary(result, seconds);
  return 0;
}

}  // namespace swallow
