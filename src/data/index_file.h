// The bytes of a Megatron `.idx` file. It works on bytes and functions that give bytes, never on
// paths, so that a fuzzer reaches all of it. Layout, little-endian throughout:
//   0  "MMIDIDX\0\0"    9  u64 version = 1    17  u8 token type    18  u64 S    26  u64 D
//   34  i32[S] tokens per sequence, i64[S] byte offset of each in `.bin`,
//       i64[D] first sequence of each document (starts 0, ends S), i8[S] modes if multimodal
// The i64 arrays begin at 34 + 4 S, which no multiple of 8 ever is: read by memcpy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace swallow {

/// Element type of `.bin`, with the codes of the file.
enum class TokenType : uint8_t {
  u8 = 1,
  i8 = 2,
  i16 = 3,
  i32 = 4,
  i64 = 5,
  f64 = 6,
  f32 = 7,
  u16 = 8,
};

[[nodiscard]] int64_t size_of(TokenType type);
[[nodiscard]] std::string_view name_of(TokenType type);

/// What Megatron's writer picks: u16 below 65,500 tokens of vocabulary, else i32.
[[nodiscard]] TokenType token_type_for(int64_t vocab_size);

/// The first 34 bytes, and where the arrays lie that follow.
struct IndexHeader {
  TokenType type = TokenType::u16;
  int64_t sequences = 0;         // S
  int64_t document_entries = 1;  // D: documents + 1
  bool multimodal = false;       // the file carries one mode byte per sequence

  [[nodiscard]] int64_t documents() const { return document_entries - 1; }
  [[nodiscard]] int64_t lengths_at() const { return 34; }
  [[nodiscard]] int64_t pointers_at() const { return lengths_at() + 4 * sequences; }
  [[nodiscard]] int64_t documents_at() const { return pointers_at() + 8 * sequences; }
  [[nodiscard]] int64_t modes_at() const { return documents_at() + 8 * document_entries; }
};
inline constexpr uint64_t kIndexVersion = 1;

/// What one pass over an index tells. A document's length is that of all its sequences.
struct IndexSummary {
  IndexHeader header;
  int64_t num_tokens = 0;  // sum of lengths
  int64_t empty_documents = 0;
  int64_t shortest_document = 0;  // 0 where there is no document
  int64_t longest_document = 0;
};

struct IndexFile {
  TokenType type = TokenType::u16;
  std::vector<int32_t> lengths;  // [S] tokens
  int64_t num_documents = 0;     // D - 1; equal to S in a file of text
  bool multimodal = false;       // the file carries one mode byte per sequence
  int64_t num_tokens = 0;        // sum of lengths
};

/// Fills the span with the bytes at an offset, all inside the size that is told beside it.
using ByteReader = std::function<void(int64_t offset, std::span<std::byte> out)>;

/// One array of an index in order, a block in memory at a time.
template <class T>
class ArrayReader {
 public:
  ArrayReader(const ByteReader& read, int64_t begin, int64_t count)
      : read_(read), begin_(begin), left_(count) {}

  /// Call at most `count` times.
  T next() {
    if (used_ == block_.size()) fill();
    return block_[used_++];
  }

 private:
  void fill() {
    block_.resize(static_cast<size_t>(left_ < kBlock ? left_ : kBlock));
    read_(begin_, std::as_writable_bytes(std::span(block_)));
    begin_ += static_cast<int64_t>(block_.size() * sizeof(T));
    left_ -= static_cast<int64_t>(block_.size());
    used_ = 0;
  }

  static constexpr int64_t kBlock = 8192;
  const ByteReader& read_;
  int64_t begin_;
  int64_t left_;
  std::vector<T> block_;
  size_t used_ = 0;
};

/// Reads and checks everything the format promises: exact size, lengths >= 0, pointers that are
/// running sums of the lengths, a document index that starts at 0, never falls and ends at S.
/// DataError names `file`, the byte offset of what is wrong, and what would be right. The memory
/// does not grow with the file.
[[nodiscard]] IndexSummary scan_index(const ByteReader& read, int64_t size, std::string_view file);

/// The same checks; keeps the lengths.
[[nodiscard]] IndexFile parse_index(const ByteReader& read, int64_t size, std::string_view file);
[[nodiscard]] IndexFile parse_index(std::span<const std::byte> bytes, std::string_view file);

using ByteSink = std::function<void(std::span<const std::byte>)>;

/// The bytes before the arrays.
[[nodiscard]] std::vector<std::byte> header_bytes(const IndexHeader& header);

/// Hands the `.idx` bytes for sequences of these lengths, each a document of its own, to `sink`
/// piece by piece: an index may be larger than is good to hold twice.
void write_index(TokenType type, std::span<const int32_t> lengths, const ByteSink& sink);

}  // namespace swallow
