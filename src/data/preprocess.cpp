#include "data/preprocess.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <span>

#include "base/check.h"
#include "data/document_encoder.h"
#include "data/indexed_dataset.h"
#include "data/input_list.h"
#include "data/ordered_pool.h"
#include "data/text_input.h"

namespace swallow {

namespace {

constexpr size_t kReportedBadLines = 10;
constexpr size_t kMaxBytesInFlight = size_t{256} << 20;  // of text; reached by huge lines alone

void check(const PreprocessOptions& options) {
  if (options.inputs.empty()) throw ConfigError("--input: no file given");
  if (options.output_prefix.empty()) throw ConfigError("--output-prefix: not given");
  if (options.tokenizer_model.empty()) throw ConfigError("--tokenizer-model: not given");
  if (options.json_keys.empty()) throw ConfigError("--json-keys: no key given");
  for (auto key = options.json_keys.begin(); key != options.json_keys.end(); ++key) {
    if (key->empty() || key->find('/') != std::string::npos) {
      throw ConfigError("--json-keys {}: expected a key, which becomes part of a file name", *key);
    }
    if (std::find(options.json_keys.begin(), key, *key) != key) {
      throw ConfigError("--json-keys {}: given twice; expected each key once", *key);
    }
  }
  if (options.workers < 1 || options.workers > 1024) {
    throw ConfigError("--workers {}: expected 1 to 1024", options.workers);
  }
  if (options.max_bad_lines < 0) {
    throw ConfigError("--max-bad-lines {}: expected 0 or more", options.max_bad_lines);
  }
}

std::vector<std::string> output_prefixes(const PreprocessOptions& options) {
  std::vector<std::string> prefixes;
  for (const std::string& key : options.json_keys) {
    prefixes.push_back(fmt::format("{}_{}_document", options.output_prefix, key));
  }
  return prefixes;
}

/// Takes finished chunks in order: writes documents, counts, refuses too many bad lines.
class Collector {
 public:
  Collector(const PreprocessOptions& options, TokenType type) : options_(options) {
    for (const std::string& prefix : output_prefixes(options)) {
      writers_.push_back(std::make_unique<IndexedDatasetWriter>(prefix, type));
      result_.datasets.push_back({.prefix = prefix});
    }
  }

  void collect(const EncodedChunk& chunk) {
    for (size_t i = 0; i < writers_.size(); ++i) {
      std::span<const int32_t> rest(chunk.keys[i].tokens);
      for (const int32_t length : chunk.keys[i].lengths) {
        writers_[i]->add_document(rest.first(static_cast<size_t>(length)));
        rest = rest.subspan(static_cast<size_t>(length));
      }
      result_.datasets[i].tokens = writers_[i]->num_tokens();
    }
    result_.documents = writers_.front()->num_documents();
    result_.lines += static_cast<int64_t>(chunk.chunk.lines.size());
    result_.blank_lines += chunk.blank_lines;
    result_.empty_texts += chunk.empty_texts;
    for (const std::string& message : chunk.bad_lines) {
      ++result_.bad_lines;
      if (result_.first_bad_lines.size() < kReportedBadLines) {
        result_.first_bad_lines.push_back(message);
      }
      if (result_.bad_lines > options_.max_bad_lines) refuse();
    }
  }

  [[nodiscard]] const PreprocessResult& so_far() const { return result_; }

  PreprocessResult finish(int64_t input_bytes) {
    result_.input_bytes = input_bytes;
    for (size_t i = 0; i < writers_.size(); ++i) {
      writers_[i]->finish();
      result_.datasets[i].bytes = writers_[i]->bytes();
    }
    return std::move(result_);
  }

 private:
  [[noreturn]] void refuse() const {
    std::string message = fmt::format("{} bad lines, --max-bad-lines is {}:", result_.bad_lines,
                                      options_.max_bad_lines);
    for (const std::string& line : result_.first_bad_lines) message += "\n  " + line;
    throw DataError("{}", message);
  }

  const PreprocessOptions& options_;
  PreprocessResult result_;
  std::vector<std::unique_ptr<IndexedDatasetWriter>> writers_;  // one for each key
};

/// Hands chunks of lines to the workers and takes them back in order.
class Pipeline {
 public:
  using Progress = std::function<void(const PreprocessProgress&)>;

  Pipeline(const DocumentEncoder& encoder, int workers, Collector& collector,
           const Progress& progress, int64_t bytes_total)
      : collector_(collector),
        progress_(progress),
        bytes_total_(bytes_total),
        window_(2 * static_cast<size_t>(workers) + 1),
        caches_(static_cast<size_t>(workers)),
        pool_(workers, [this, &encoder](EncodedChunk& chunk, int worker) {
          encoder.encode(chunk, caches_[static_cast<size_t>(worker)]);
        }) {}

  /// Reads one file to its end.
  void read(const std::string& path) {
    TextInput input(path);
    LineReader reader([&input](std::span<char> out) { return input.read(out); }, kMaxLineBytes);
    for (;;) {
      auto chunk = std::make_unique<EncodedChunk>();
      if (!reader.next(chunk->chunk)) break;
      chunk->file = path;
      chunk->bytes_done = bytes_before_ + input.consumed();
      bytes_in_flight_ += chunk->chunk.text.size();
      pool_.submit(std::move(chunk));
      // Two chunks a worker wait or are worked on; that bounds the memory.
      while (pool_.size() >= window_ ||
             (pool_.size() > 1 && bytes_in_flight_ > kMaxBytesInFlight)) {
        finish_oldest();
      }
    }
    bytes_before_ += input.consumed();
  }

  void finish() {
    while (pool_.size() > 0) finish_oldest();
  }

 private:
  void finish_oldest() {
    const std::unique_ptr<EncodedChunk> chunk = pool_.take();
    bytes_in_flight_ -= chunk->chunk.text.size();
    collector_.collect(*chunk);
    if (!progress_) return;
    const PreprocessResult& result = collector_.so_far();
    progress_({chunk->bytes_done, bytes_total_, result.documents, result.tokens()});
  }

  Collector& collector_;
  const Progress& progress_;
  int64_t bytes_total_;
  int64_t bytes_before_ = 0;  // of the files that were read
  size_t window_;             // chunks
  size_t bytes_in_flight_ = 0;
  std::vector<TokenCache> caches_;  // of each worker
  OrderedPool<EncodedChunk> pool_;
};

}  // namespace

int64_t PreprocessResult::tokens() const {
  int64_t sum = 0;
  for (const Dataset& dataset : datasets) sum += dataset.tokens;
  return sum;
}

int64_t PreprocessResult::output_bytes() const {
  int64_t sum = 0;
  for (const Dataset& dataset : datasets) sum += dataset.bytes;
  return sum;
}

PreprocessResult preprocess(const PreprocessOptions& options,
                            const std::function<void(const PreprocessProgress&)>& progress) {
  check(options);
  // What can be wrong with the names is known before an hour of work, not after it.
  const std::vector<std::string> inputs = expand_inputs(options.inputs);
  const int64_t input_bytes = check_inputs(inputs);
  for (const std::string& prefix : output_prefixes(options)) {
    claim_output(prefix, options.existing, inputs);
  }
  const DocumentEncoder encoder({.tokenizer_model = options.tokenizer_model,
                                 .json_keys = options.json_keys,
                                 .append_eod = options.append_eod});
  Collector collector(options, token_type_for(encoder.vocab_size()));
  Pipeline pipeline(encoder, options.workers, collector, progress, input_bytes);
  for (const std::string& path : inputs) pipeline.read(path);
  pipeline.finish();
  return collector.finish(input_bytes);
}

}  // namespace swallow
