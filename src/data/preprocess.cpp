#include "data/preprocess.h"

#include <fmt/format.h>

#include <memory>
#include <span>
#include <string_view>

#include "base/check.h"
#include "base/math.h"
#include "data/file.h"
#include "data/indexed_dataset.h"
#include "data/json_text.h"
#include "data/line_reader.h"
#include "data/ordered_pool.h"
#include "data/tokenizer.h"

namespace swallow {

namespace {

constexpr size_t kReportedBadLines = 10;
constexpr size_t kMaxLineBytes = size_t{64} << 20;

/// A chunk of lines on its way from the reader through a worker to the writer.
struct Job {
  std::string_view file;
  LineChunk chunk;
  int64_t bytes_done = 0;  // of all inputs, once this is written
  // Made by the worker:
  std::vector<int32_t> tokens;   // of all documents, one after the other
  std::vector<int32_t> lengths;  // of each document
  std::vector<std::string> bad_lines;
  int64_t empty_documents = 0;
};

class Encoder {
 public:
  explicit Encoder(const PreprocessOptions& options)
      : options_(options), tokenizer_(options.tokenizer_model) {
    if (tokenizer_.info().bos < 0) {
      throw DataError("{}: has no <s>, which begins every document", options.tokenizer_model);
    }
    if (options.append_eod && tokenizer_.info().eos < 0) {
      throw DataError("{}: has no </s>, which --append-eod asks for", options.tokenizer_model);
    }
  }

  [[nodiscard]] int64_t vocab_size() const { return tokenizer_.info().vocab_size; }

  /// Runs in several workers at once, each with its own job.
  void encode(Job& job) const {
    int64_t number = job.chunk.first_line;
    for (const LineChunk::Line& line : job.chunk.lines) {
      if (line.too_long) {
        job.bad_lines.push_back(
            fmt::format("{}:{}: longer than {} bytes", job.file, number, kMaxLineBytes));
      } else {
        encode_line(job, job.chunk.view(line), number);
      }
      ++number;
    }
  }

 private:
  void encode_line(Job& job, std::string_view line, int64_t number) const {
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) {
      ++job.empty_documents;
      return;
    }
    const JsonText json = json_text(line, options_.json_key);
    if (!json.problem.empty()) {
      job.bad_lines.push_back(fmt::format("{}:{}: {}", job.file, number, json.problem));
      return;
    }
    const std::vector<int32_t> tokens = tokenizer_.encode(json.text);
    if (tokens.empty()) {
      ++job.empty_documents;
      return;
    }
    const size_t before = job.tokens.size();
    job.tokens.push_back(tokenizer_.info().bos);
    job.tokens.insert(job.tokens.end(), tokens.begin(), tokens.end());
    if (options_.append_eod) job.tokens.push_back(tokenizer_.info().eos);
    job.lengths.push_back(narrow<int32_t>(job.tokens.size() - before));
  }

  const PreprocessOptions& options_;
  Tokenizer tokenizer_;
};

/// Takes finished jobs in order: writes documents, counts, refuses too many bad lines.
class Collector {
 public:
  Collector(const PreprocessOptions& options, PreprocessResult& result,
            IndexedDatasetWriter& writer)
      : options_(options), result_(result), writer_(writer) {}

  void collect(const Job& job) {
    std::span<const int32_t> rest(job.tokens);
    for (const int32_t length : job.lengths) {
      writer_.add_document(rest.first(static_cast<size_t>(length)));
      rest = rest.subspan(static_cast<size_t>(length));
    }
    result_.lines += static_cast<int64_t>(job.chunk.lines.size());
    result_.empty_documents += job.empty_documents;
    for (const std::string& message : job.bad_lines) {
      ++result_.bad_lines;
      if (result_.first_bad_lines.size() < kReportedBadLines) {
        result_.first_bad_lines.push_back(message);
      }
      if (result_.bad_lines > options_.max_bad_lines) refuse();
    }
    result_.documents = writer_.num_documents();
    result_.tokens = writer_.num_tokens();
  }

 private:
  [[noreturn]] void refuse() const {
    std::string message = fmt::format("{} bad lines, --max-bad-lines is {}:", result_.bad_lines,
                                      options_.max_bad_lines);
    for (const std::string& line : result_.first_bad_lines) message += "\n  " + line;
    throw DataError("{}", message);
  }

  const PreprocessOptions& options_;
  PreprocessResult& result_;
  IndexedDatasetWriter& writer_;
};

void check(const PreprocessOptions& options) {
  if (options.inputs.empty()) throw ConfigError("--input: no file given");
  if (options.output_prefix.empty()) throw ConfigError("--output-prefix: not given");
  if (options.tokenizer_model.empty()) throw ConfigError("--tokenizer-model: not given");
  if (options.json_key.empty() || options.json_key.find('/') != std::string::npos) {
    throw ConfigError("--json-keys {}: expected a key, which becomes part of a file name",
                      options.json_key);
  }
  if (options.workers < 1 || options.workers > 1024) {
    throw ConfigError("--workers {}: expected 1 to 1024", options.workers);
  }
  if (options.max_bad_lines < 0) {
    throw ConfigError("--max-bad-lines {}: expected 0 or more", options.max_bad_lines);
  }
}

}  // namespace

PreprocessResult preprocess(const PreprocessOptions& options,
                            const std::function<void(const PreprocessProgress&)>& progress) {
  check(options);
  // Every input is opened first: a misspelt name is known before an hour of work, not after it.
  std::vector<InputFile> files;
  PreprocessResult result;
  for (const std::string& path : options.inputs) {
    files.emplace_back(path);
    result.input_bytes += files.back().size();
  }
  const Encoder encoder(options);
  result.prefix = fmt::format("{}_{}_document", options.output_prefix, options.json_key);
  IndexedDatasetWriter writer(result.prefix, token_type_for(encoder.vocab_size()));
  Collector collector(options, result, writer);

  OrderedPool<Job> pool(options.workers, [&encoder](Job& job) { encoder.encode(job); });
  const auto finish_oldest = [&] {
    const std::unique_ptr<Job> job = pool.take();
    collector.collect(*job);
    if (progress) {
      progress({job->bytes_done, result.input_bytes, result.documents, result.tokens});
    }
  };
  // Two chunks a worker wait or are worked on; that bounds the memory.
  const size_t window = 2 * static_cast<size_t>(options.workers) + 1;
  int64_t bytes_done = 0;
  for (const InputFile& file : files) {
    int64_t offset = 0;
    LineReader reader(
        [&](std::span<char> out) {
          const int64_t got = file.read_some(offset, std::as_writable_bytes(out));
          offset += got;
          return got;
        },
        kMaxLineBytes);
    for (;;) {
      auto job = std::make_unique<Job>();
      if (!reader.next(job->chunk)) break;
      job->file = file.path();
      job->bytes_done = bytes_done + offset;
      pool.submit(std::move(job));
      if (pool.size() >= window) finish_oldest();
    }
    bytes_done += file.size();
  }
  while (pool.size() > 0) finish_oldest();

  writer.finish();
  result.output_bytes = writer.bytes();
  return result;
}

}  // namespace swallow
