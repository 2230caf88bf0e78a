#include "data/index_file.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "base/check.h"

namespace swallow {

namespace {

static_assert(std::endian::native == std::endian::little, "the format is read as it lies");

constexpr std::string_view kMagic("MMIDIDX\0\0", 9);
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

IndexHeader parse_header(const ByteReader& read, int64_t size, std::string_view file) {
  if (size < kHeaderBytes) {
    throw DataError("{}: {} bytes, but the header of an index alone has {}", file, size,
                    kHeaderBytes);
  }
  std::array<std::byte, kHeaderBytes> bytes;
  read(0, bytes);
  if (std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    throw DataError("{}: offset 0: does not begin with MMIDIDX: not a Megatron index", file);
  }
  if (const auto version = load<uint64_t>(bytes, 9); version != kIndexVersion) {
    throw DataError("{}: offset 9: version {}, only {} is known", file, version, kIndexVersion);
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
  IndexHeader header{static_cast<TokenType>(code), static_cast<int64_t>(sequences),
                     static_cast<int64_t>(entries)};
  const int64_t expected = header.modes_at();
  if (size != expected && size != expected + header.sequences) {
    throw DataError(
        "{}: {} bytes, but {} sequences and {} document entries take {} (or {} with modes)", file,
        size, sequences, entries, expected, expected + header.sequences);
  }
  if (entries < 1)
    throw DataError("{}: offset 26: the document index is empty, it has at least a 0", file);
  header.multimodal = header.sequences > 0 && size != expected;
  return header;
}

/// Walks the document index beside the sequences.
class Documents {
 public:
  Documents(const ByteReader& read, std::string_view file, IndexSummary& summary)
      : file_(file),
        summary_(summary),
        entries_(read, summary.header.documents_at(), summary.header.document_entries) {}

  /// Ends and begins the documents at `sequence`, before which there are `tokens` tokens. To be
  /// called for every sequence in order, and for their number.
  void reach(int64_t sequence, int64_t tokens) {
    while (entry_ < summary_.header.document_entries) {
      if (!read_ahead_) first_ = checked(entries_.next());
      read_ahead_ = first_ > sequence;
      if (read_ahead_) return;
      if (entry_ > 0) add(tokens - begin_);
      begin_ = tokens;
      previous_ = first_;
      ++entry_;
    }
  }

  void finish() const {
    if (previous_ == summary_.header.sequences) return;
    throw DataError("{}: offset {}: the document index ends at sequence {} of {}", file_,
                    offset_of(entry_ - 1), previous_, summary_.header.sequences);
  }

 private:
  [[nodiscard]] int64_t offset_of(int64_t entry) const {
    return summary_.header.documents_at() + 8 * entry;
  }

  [[nodiscard]] int64_t checked(int64_t first) const {
    const int64_t most = entry_ == 0 ? 0 : summary_.header.sequences;
    if (first < previous_ || first > most) {
      throw DataError("{}: offset {}: document {} begins at sequence {}, expected {} to {}", file_,
                      offset_of(entry_), entry_, first, previous_, most);
    }
    return first;
  }

  void add(int64_t length) {
    if (entry_ == 1) summary_.shortest_document = length;
    summary_.shortest_document = std::min(summary_.shortest_document, length);
    summary_.longest_document = std::max(summary_.longest_document, length);
    if (length == 0) ++summary_.empty_documents;
  }

  std::string_view file_;
  IndexSummary& summary_;
  ArrayReader<int64_t> entries_;
  int64_t entry_ = 0;        // the next to be reached
  int64_t first_ = 0;        // its value, when read ahead
  int64_t previous_ = 0;     // value of the one before
  int64_t begin_ = 0;        // tokens before the open document
  bool read_ahead_ = false;  // first_ is read, but not reached
};

/// `keep` is handed every length.
template <class Keep>
IndexSummary scan(const ByteReader& read, const IndexHeader& header, std::string_view file,
                  const Keep& keep) {
  IndexSummary summary{.header = header};
  ArrayReader<int32_t> lengths(read, header.lengths_at(), header.sequences);
  ArrayReader<int64_t> pointers(read, header.pointers_at(), header.sequences);
  Documents documents(read, file, summary);
  const int64_t item = size_of(header.type);
  for (int64_t i = 0; i < header.sequences; ++i) {
    documents.reach(i, summary.num_tokens);
    const int32_t length = lengths.next();
    if (length < 0) {
      throw DataError("{}: offset {}: sequence {} has length {}, expected 0 or more", file,
                      header.lengths_at() + 4 * i, i, length);
    }
    if (const int64_t pointer = pointers.next(); pointer != summary.num_tokens * item) {
      throw DataError("{}: offset {}: sequence {} begins at byte {}, the lengths before it say {}",
                      file, header.pointers_at() + 8 * i, i, pointer, summary.num_tokens * item);
    }
    keep(length);
    summary.num_tokens += length;
    if (summary.num_tokens > std::numeric_limits<int64_t>::max() / 16) {
      throw DataError("{}: offset {}: the lengths up to sequence {} add up to {} tokens", file,
                      header.lengths_at() + 4 * i, i, summary.num_tokens);
    }
  }
  documents.reach(header.sequences, summary.num_tokens);
  documents.finish();
  return summary;
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

IndexSummary scan_index(const ByteReader& read, int64_t size, std::string_view file) {
  return scan(read, parse_header(read, size, file), file, [](int32_t) {});
}

IndexFile parse_index(const ByteReader& read, int64_t size, std::string_view file) {
  const IndexHeader header = parse_header(read, size, file);
  IndexFile index;
  index.lengths.reserve(static_cast<size_t>(header.sequences));  // they lie in the file
  const IndexSummary summary =
      scan(read, header, file, [&index](int32_t length) { index.lengths.push_back(length); });
  index.type = header.type;
  index.num_documents = header.documents();
  index.multimodal = header.multimodal;
  index.num_tokens = summary.num_tokens;
  return index;
}

IndexFile parse_index(std::span<const std::byte> bytes, std::string_view file) {
  const ByteReader read = [bytes](int64_t offset, std::span<std::byte> out) {
    std::memcpy(out.data(), bytes.data() + offset, out.size());
  };
  return parse_index(read, static_cast<int64_t>(bytes.size()), file);
}

std::vector<std::byte> header_bytes(const IndexHeader& header) {
  std::vector<std::byte> bytes;
  for (const char c : kMagic) append(bytes, c);
  append(bytes, kIndexVersion);
  append(bytes, static_cast<uint8_t>(header.type));
  append(bytes, static_cast<uint64_t>(header.sequences));
  append(bytes, static_cast<uint64_t>(header.document_entries));
  return bytes;
}

void write_index(TokenType type, std::span<const int32_t> lengths, const ByteSink& sink) {
  const auto count = static_cast<int64_t>(lengths.size());
  sink(header_bytes({type, count, count + 1}));
  sink(std::as_bytes(lengths));
  int64_t pointer = 0;
  for (const int32_t length : lengths) {
    sink(std::as_bytes(std::span(&pointer, 1)));
    pointer += length * size_of(type);
  }
  for (int64_t document = 0; document <= count; ++document) {
    sink(std::as_bytes(std::span(&document, 1)));
  }
}

}  // namespace swallow
