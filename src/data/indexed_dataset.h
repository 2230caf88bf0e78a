// Megatron's indexed dataset: `<prefix>.bin` holds nothing but tokens, `<prefix>.idx` says where
// each sequence lies (index_file.h). In data for GPT a sequence is a document; the order of samples
// is built on sequences, as in Megatron.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/file.h"
#include "data/index_file.h"

namespace swallow {

/// Reads of a file; it must outlive the function.
[[nodiscard]] ByteReader reader_of(const InputFile& file);

/// DataError unless `.bin` has exactly the size of its tokens.
void check_size(const InputFile& bin, TokenType type, int64_t num_tokens);

/// DataError when the elements are floating-point numbers.
void check_integers(const InputFile& idx, TokenType type);

/// The prefix that `path` means: a prefix, or the name of an `.idx` file.
[[nodiscard]] std::string dataset_prefix(std::string_view path);

/// Makes a finished pair durable and gives it its names, `.idx` last: a `.bin` without an index is
/// not a dataset, so a crash never leaves one that looks whole.
void commit_pair(OutputFile& bin, OutputFile& idx);

/// Reads one pair of files. Safe to share between threads. Holds 4.125 bytes per sequence.
class IndexedDataset {
 public:
  /// Checks the whole index and that `.bin` has exactly the size it says, before anything else is
  /// built on it. DataError names the file and offset; a token type that is not an integer is
  /// refused.
  explicit IndexedDataset(std::string prefix);

  [[nodiscard]] const std::string& prefix() const noexcept { return prefix_; }
  [[nodiscard]] TokenType type() const noexcept { return type_; }
  [[nodiscard]] int64_t num_sequences() const noexcept {
    return static_cast<int64_t>(lengths_.size());
  }
  [[nodiscard]] int64_t num_documents() const noexcept { return num_documents_; }
  [[nodiscard]] int64_t num_tokens() const noexcept { return num_tokens_; }
  /// Tokens of each sequence.
  [[nodiscard]] std::span<const int32_t> lengths() const noexcept { return lengths_; }

  /// Tokens [offset, offset + out.size()) of a sequence; the range must lie inside it. DataError
  /// when the file has shrunk since it was opened.
  void read(int64_t sequence, int64_t offset, std::span<int32_t> out) const;

  /// Where a token lies, for messages: file, document, offset in it, byte in the file.
  [[nodiscard]] std::string describe(int64_t sequence, int64_t offset) const;

 private:
  [[nodiscard]] int64_t byte_of(int64_t sequence, int64_t offset) const;

  std::string prefix_;
  InputFile bin_;
  TokenType type_ = TokenType::u16;
  int64_t num_documents_ = 0;
  int64_t num_tokens_ = 0;
  std::vector<int32_t> lengths_;       // [S]
  std::vector<int64_t> block_begins_;  // token at which every 64th sequence begins
};

/// Writes one pair of files. Nothing carries its final name before finish().
class IndexedDatasetWriter {
 public:
  /// `type`: u16 or i32 (token_type_for).
  IndexedDatasetWriter(std::string prefix, TokenType type);

  /// Appends one document. DataError when a token does not fit the type.
  void add_document(std::span<const int32_t> tokens);
  void finish();

  [[nodiscard]] int64_t num_documents() const noexcept {
    return static_cast<int64_t>(lengths_.size());
  }
  [[nodiscard]] int64_t num_tokens() const noexcept { return num_tokens_; }
  [[nodiscard]] int64_t bytes() const noexcept { return bin_.size() + idx_.size(); }

 private:
  TokenType type_;
  OutputFile bin_;
  OutputFile idx_;
  std::vector<int32_t> lengths_;
  int64_t num_tokens_ = 0;
  std::vector<uint16_t> narrow_;  // one document as u16
};

}  // namespace swallow
