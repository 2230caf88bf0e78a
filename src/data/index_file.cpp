#include "data/index_file.h"

#include <bit>
#include <cstring>
#include <limits>

#include "base/check.h"

namespace swallow {

namespace {

static_assert(std::endian::native == std::endian::little, "the format is read as it lies");

constexpr std::string_view kMagic("MMIDIDX\0\0", 9);
constexpr uint64_t kVersion = 1;
constexpr int64_t kHeaderBytes = 34;

template <class T>
T load(std::span<const std::byte> bytes, int64_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

template <class T>
void append(std::vector<std::byte>& bytes, T value) {
  const auto* raw = reinterpret_cast<const std::byte*>(&value);
  bytes.insert(bytes.end(), raw, raw + sizeof(T));
}

struct Header {
  TokenType type;
  int64_t sequences;
  int64_t document_entries;
  bool multimodal;
};

Header parse_header(std::span<const std::byte> bytes, std::string_view file) {
  const auto size = static_cast<int64_t>(bytes.size());
  if (size < kHeaderBytes) {
    throw DataError("{}: {} bytes, but the header of an index alone has {}", file, size,
                    kHeaderBytes);
  }
  if (std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    throw DataError("{}: does not begin with MMIDIDX: not a Megatron index", file);
  }
  if (const auto version = load<uint64_t>(bytes, 9); version != kVersion) {
    throw DataError("{}: offset 9: version {}, only {} is known", file, version, kVersion);
  }
  const auto code = load<uint8_t>(bytes, 17);
  if (code < 1 || code > 8) {
    throw DataError("{}: offset 17: token type {}, the codes are 1 to 8", file, code);
  }
  const auto sequences = load<uint64_t>(bytes, 18);
  const auto entries = load<uint64_t>(bytes, 26);
  // Each count is bounded by the bytes present before it is multiplied.
  const auto bound = static_cast<uint64_t>(size);
  if (sequences > bound / 12 || entries > bound / 8) {
    throw DataError("{}: offset 18: {} sequences and {} document entries cannot lie in {} bytes",
                    file, sequences, entries, size);
  }
  const auto s = static_cast<int64_t>(sequences);
  const auto d = static_cast<int64_t>(entries);
  const int64_t expected = kHeaderBytes + 12 * s + 8 * d;
  if (size != expected && size != expected + s) {
    throw DataError(
        "{}: {} bytes, but {} sequences and {} document entries take {} (or {} with modes)", file,
        size, s, d, expected, expected + s);
  }
  if (d < 1)
    throw DataError("{}: offset 26: the document index is empty, it has at least a 0", file);
  return {static_cast<TokenType>(code), s, d, s > 0 && size == expected + s};
}

void check_documents(std::span<const std::byte> bytes, const Header& header,
                     std::string_view file) {
  const int64_t begin = kHeaderBytes + 12 * header.sequences;
  int64_t previous = 0;
  for (int64_t i = 0; i < header.document_entries; ++i) {
    const auto first = load<int64_t>(bytes, begin + 8 * i);
    if ((i == 0 && first != 0) || first < previous || first > header.sequences) {
      throw DataError("{}: offset {}: document {} begins at sequence {}, expected {} {} to {}",
                      file, begin + 8 * i, i, first, i == 0 ? "exactly" : "from", previous,
                      i == 0 ? 0 : header.sequences);
    }
    previous = first;
  }
  if (previous != header.sequences) {
    throw DataError("{}: offset {}: the document index ends at sequence {} of {}", file,
                    begin + 8 * (header.document_entries - 1), previous, header.sequences);
  }
}

}  // namespace

int64_t size_of(TokenType type) {
  switch (type) {
    case TokenType::u8:
    case TokenType::i8:
      return 1;
    case TokenType::i16:
    case TokenType::u16:
      return 2;
    case TokenType::i32:
    case TokenType::f32:
      return 4;
    case TokenType::i64:
    case TokenType::f64:
      return 8;
  }
  return 0;
}

std::string_view name_of(TokenType type) {
  constexpr std::string_view kNames[] = {"?", "u8", "i8", "i16", "i32", "i64", "f64", "f32", "u16"};
  return kNames[static_cast<size_t>(type)];
}

TokenType token_type_for(int64_t vocab_size) {
  return vocab_size < 65500 ? TokenType::u16 : TokenType::i32;
}

IndexFile parse_index(std::span<const std::byte> bytes, std::string_view file) {
  const Header header = parse_header(bytes, file);
  IndexFile index;
  index.type = header.type;
  index.num_documents = header.document_entries - 1;
  index.multimodal = header.multimodal;
  index.lengths.resize(static_cast<size_t>(header.sequences));
  if (!index.lengths.empty()) {
    std::memcpy(index.lengths.data(), bytes.data() + kHeaderBytes, index.lengths.size() * 4);
  }

  const int64_t pointers = kHeaderBytes + 4 * header.sequences;
  const int64_t item = size_of(header.type);
  for (int64_t i = 0; i < header.sequences; ++i) {
    const int32_t length = index.lengths[static_cast<size_t>(i)];
    if (length < 0) {
      throw DataError("{}: offset {}: sequence {} has length {}", file, kHeaderBytes + 4 * i, i,
                      length);
    }
    const auto pointer = load<int64_t>(bytes, pointers + 8 * i);
    if (pointer != index.num_tokens * item) {
      throw DataError("{}: offset {}: sequence {} begins at byte {}, the lengths before it say {}",
                      file, pointers + 8 * i, i, pointer, index.num_tokens * item);
    }
    index.num_tokens += length;
    if (index.num_tokens > std::numeric_limits<int64_t>::max() / 16) {
      throw DataError("{}: offset {}: the lengths up to sequence {} add up to {} tokens", file,
                      kHeaderBytes + 4 * i, i, index.num_tokens);
    }
  }
  check_documents(bytes, header, file);
  return index;
}

void write_index(TokenType type, std::span<const int32_t> lengths, const ByteSink& sink) {
  const auto count = static_cast<uint64_t>(lengths.size());
  std::vector<std::byte> header;
  for (const char c : kMagic) append(header, c);
  append(header, kVersion);
  append(header, static_cast<uint8_t>(type));
  append(header, count);
  append(header, count + 1);
  sink(header);

  sink(std::as_bytes(lengths));
  int64_t pointer = 0;
  for (const int32_t length : lengths) {
    sink(std::as_bytes(std::span(&pointer, 1)));
    pointer += length * size_of(type);
  }
  for (uint64_t document = 0; document <= count; ++document) {
    sink(std::as_bytes(std::span(&document, 1)));
  }
}

}  // namespace swallow
