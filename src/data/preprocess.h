// JSON Lines to Megatron's `.bin`/`.idx`: streaming, on all cores, in memory that does not grow
// with the input (4 bytes per document apart), the same bytes out whatever the number of workers.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace swallow {

struct PreprocessOptions {
  std::vector<std::string> inputs;  // JSON Lines, read one after the other
  std::string output_prefix;
  std::string tokenizer_model;  // SentencePiece
  std::string json_key = "text";
  bool append_eod = false;    // </s> after each document
  int workers = 1;            // threads that tokenize
  int64_t max_bad_lines = 0;  // more than this many end the work
};

struct PreprocessProgress {
  int64_t bytes_done = 0;  // of the inputs
  int64_t bytes_total = 0;
  int64_t documents = 0;
  int64_t tokens = 0;
};

struct PreprocessResult {
  std::string prefix;  // <output_prefix>_<json_key>_document
  int64_t lines = 0;
  int64_t documents = 0;
  int64_t empty_documents = 0;  // skipped: no text, or a blank line
  int64_t bad_lines = 0;        // skipped
  int64_t tokens = 0;
  int64_t input_bytes = 0;
  int64_t output_bytes = 0;
  std::vector<std::string> first_bad_lines;  // "file:line: why", at most ten
};

/// A document is stored as Megatron-Llama2's Llama2Tokenizer gives it: <s>, its tokens and, with
/// append_eod, </s>. Tokens are u16 or i32 by the size of the vocabulary. `progress` is called from
/// the calling thread after each chunk and may be empty. DataError for bad input (file and line),
/// ConfigError for options, IoError when writing fails; then nothing is left under the output name.
PreprocessResult preprocess(const PreprocessOptions& options,
                            const std::function<void(const PreprocessProgress&)>& progress);

}  // namespace swallow
