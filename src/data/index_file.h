// The bytes of a Megatron `.idx` file. It works on byte spans, never on paths, so that a fuzzer
// reaches all of it. Layout, little-endian throughout:
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

struct IndexFile {
  TokenType type = TokenType::u16;
  std::vector<int32_t> lengths;  // [S] tokens
  int64_t num_documents = 0;     // D - 1; equal to S in a file of text
  bool multimodal = false;       // the file carries one mode byte per sequence
  int64_t num_tokens = 0;        // sum of lengths
};

/// Parses and checks everything the format promises: exact size, lengths >= 0, pointers that are
/// running sums of the lengths, a document index that starts at 0, never falls and ends at S.
/// DataError names `file` and the byte offset of what is wrong.
[[nodiscard]] IndexFile parse_index(std::span<const std::byte> bytes, std::string_view file);

using ByteSink = std::function<void(std::span<const std::byte>)>;

/// Hands the `.idx` bytes for sequences of these lengths, each a document of its own, to `sink`
/// piece by piece: an index may be larger than is good to hold twice.
void write_index(TokenType type, std::span<const int32_t> lengths, const ByteSink& sink);

}  // namespace swallow
