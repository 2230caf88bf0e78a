// What a worker of preprocess does with a chunk of lines: JSON to documents of tokens. It opens and
// writes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/line_reader.h"
#include "data/tokenizer.h"

namespace swallow {

/// Documents made from the text under one key.
struct DocumentTokens {
  std::vector<int32_t> tokens;   // of all documents, one after the other
  std::vector<int32_t> lengths;  // of each document
};

/// A chunk of lines on its way from the reader through a worker to the writer.
struct EncodedChunk {
  std::string_view file;
  LineChunk chunk;
  int64_t bytes_done = 0;  // of all inputs, once this is written
  // Made by the worker:
  std::vector<DocumentTokens> keys;    // as many documents in each
  std::vector<std::string> bad_lines;  // "file:line: why"
  int64_t blank_lines = 0;
  int64_t empty_texts = 0;
};

struct EncoderOptions {
  std::string tokenizer_model;
  std::vector<std::string> json_keys;
  bool append_eod = false;
};

class DocumentEncoder {
 public:
  /// DataError for a tokenizer that lacks what every document needs.
  explicit DocumentEncoder(EncoderOptions options);

  [[nodiscard]] int64_t vocab_size() const { return tokenizer_.info().vocab_size; }

  /// Runs in several workers at once, each with its own chunk and cache.
  void encode(EncodedChunk& chunk, TokenCache& cache) const;

 private:
  void encode_line(std::string_view line, int64_t number, EncodedChunk& chunk,
                   TokenCache& cache) const;

  EncoderOptions options_;
  Tokenizer tokenizer_;
};

/// A line longer than this is a bad line.
inline constexpr size_t kMaxLineBytes = size_t{64} << 20;

}  // namespace swallow
