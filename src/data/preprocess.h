// JSON Lines to Megatron's `.bin`/`.idx`: streaming, on all cores, in memory that does not grow
// with the input (4 bytes per document and key apart), the same bytes out whatever the number of
// workers.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/output_place.h"

namespace swallow {

struct PreprocessOptions {
  std::vector<std::string> inputs;  // JSON Lines, plain or gzip, or patterns; one after the other
  std::string output_prefix;
  std::string tokenizer_model;                    // SentencePiece
  std::vector<std::string> json_keys = {"text"};  // a dataset is made of each
  bool append_eod = false;                        // </s> after each document
  int workers = 1;                                // threads that tokenize
  int64_t max_bad_lines = 0;                      // more than this many end the work
  Existing existing = Existing::refuse;
};

struct PreprocessProgress {
  int64_t bytes_done = 0;  // of the inputs, as they lie on the disk
  int64_t bytes_total = 0;
  int64_t documents = 0;
  int64_t tokens = 0;
};

struct PreprocessResult {
  struct Dataset {
    std::string prefix;  // <output_prefix>_<key>_document
    int64_t tokens = 0;
    int64_t bytes = 0;
  };
  std::vector<Dataset> datasets;  // one for each key
  int64_t lines = 0;
  int64_t documents = 0;    // in each dataset
  int64_t empty_texts = 0;  // among the documents of all datasets
  int64_t blank_lines = 0;  // skipped
  int64_t bad_lines = 0;    // skipped
  int64_t input_bytes = 0;
  std::vector<std::string> first_bad_lines;  // "file:line: why", at most ten

  [[nodiscard]] int64_t tokens() const;        // of all datasets
  [[nodiscard]] int64_t output_bytes() const;  // of all datasets
};

/// A document is stored as Megatron-Llama2's Llama2Tokenizer gives it: <s>, its tokens and, with
/// append_eod, </s>; an empty text is a document of these alone, so that document i of every key
/// comes from the same line. A line without one good text for every key is a bad line. Tokens are
/// u16 or i32 by the size of the vocabulary. `progress` is called from the calling thread after
/// each chunk and may be empty. DataError for bad input (file and line), ConfigError for options
/// and for an output that may not be written, IoError when writing fails; then nothing is left
/// under the output's names.
PreprocessResult preprocess(const PreprocessOptions& options,
                            const std::function<void(const PreprocessProgress&)>& progress);

}  // namespace swallow
