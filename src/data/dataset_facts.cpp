#include "data/dataset_facts.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/content_hash.h"
#include "data/indexed_dataset.h"

namespace swallow {

namespace {

constexpr int64_t kBlockBytes = int64_t{1} << 20;

template <class T>
T read_one(const InputFile& file, int64_t offset) {
  T value;
  file.read(offset, std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

/// Tokens before a sequence, which may be one past the last.
int64_t tokens_before(const DatasetFiles& files, int64_t sequence) {
  const IndexHeader& header = files.summary.header;
  if (sequence == header.sequences) return files.summary.num_tokens;
  return read_one<int64_t>(files.idx, header.pointers_at() + 8 * sequence) / size_of(header.type);
}

int64_t document_of(const DatasetFiles& files, int64_t token) {
  int64_t begin = 0;  // the last document that begins at or before the token
  int64_t end = files.summary.header.documents();
  while (end - begin > 1) {
    const int64_t middle = begin + (end - begin) / 2;
    (place_of(files, middle).begin <= token ? begin : end) = middle;
  }
  return begin;
}

[[noreturn]] void refuse(const DatasetFiles& files, int64_t token, int64_t value, int64_t largest) {
  const int64_t document = document_of(files, token);
  throw DataError("{}: offset {}: token {} (number {} of document {}), expected 0 to {}",
                  files.bin.path(), token * size_of(files.summary.header.type), value,
                  token - place_of(files, document).begin, document, largest);
}

template <class T>
struct TypeTag {
  using type = T;
};

/// Calls fn(TypeTag<T>) with the C++ type of the elements.
template <class Fn>
auto with_type(const DatasetFiles& files, const Fn& fn) {
  check_integers(files.idx, files.summary.header.type);
  switch (files.summary.header.type) {
    case TokenType::u8:
      return fn(TypeTag<uint8_t>{});
    case TokenType::i8:
      return fn(TypeTag<int8_t>{});
    case TokenType::i16:
      return fn(TypeTag<int16_t>{});
    case TokenType::u16:
      return fn(TypeTag<uint16_t>{});
    case TokenType::i64:
      return fn(TypeTag<int64_t>{});
    case TokenType::i32:
    case TokenType::f32:
    case TokenType::f64:
      break;
  }
  return fn(TypeTag<int32_t>{});
}

/// Fills in all but the hash of the index.
template <class T>
void read_bin(const DatasetFiles& files, int64_t largest, TokenFacts& facts) {
  ContentHash hash;
  std::vector<T> block(static_cast<size_t>(kBlockBytes) / sizeof(T));
  T low = std::numeric_limits<T>::max();
  T high = std::numeric_limits<T>::min();
  for (int64_t done = 0; done < files.summary.num_tokens;) {
    const int64_t left = files.summary.num_tokens - done;
    block.resize(std::min(block.size(), static_cast<size_t>(left)));
    const auto bytes = std::as_writable_bytes(std::span(block));
    files.bin.read(done * static_cast<int64_t>(sizeof(T)), bytes);
    hash.update(bytes);
    for (const T token : block) {
      low = std::min(low, token);
      high = std::max(high, token);
    }
    if (static_cast<int64_t>(low) < 0 || static_cast<int64_t>(high) > largest) {
      const auto bad = std::find_if(block.begin(), block.end(), [largest](T token) {
        return static_cast<int64_t>(token) < 0 || static_cast<int64_t>(token) > largest;
      });
      refuse(files, done + (bad - block.begin()), *bad, largest);
    }
    done += static_cast<int64_t>(block.size());
  }
  if (files.summary.num_tokens > 0) {
    facts.smallest = low;
    facts.largest = high;
  }
  facts.bin_hash = hash.hex();
}

std::string hash_of(const InputFile& file) {
  ContentHash hash;
  std::vector<std::byte> block(static_cast<size_t>(kBlockBytes));
  for (int64_t done = 0; done < file.size();) {
    block.resize(static_cast<size_t>(std::min(kBlockBytes, file.size() - done)));
    file.read(done, block);
    hash.update(block);
    done += static_cast<int64_t>(block.size());
  }
  return hash.hex();
}

}  // namespace

DatasetFiles::DatasetFiles(const std::string& prefix) : bin(prefix + ".bin"), idx(prefix + ".idx") {
  summary = scan_index(reader_of(idx), idx.size(), idx.path());
  check_size(bin, summary.header.type, summary.num_tokens);
}

DocumentPlace place_of(const DatasetFiles& files, int64_t document) {
  SWALLOW_CHECK(document >= 0 && document < files.summary.header.documents(),
                "{}: document {} asked for", files.idx.path(), document);
  const int64_t entry = files.summary.header.documents_at() + 8 * document;
  const int64_t begin = tokens_before(files, read_one<int64_t>(files.idx, entry));
  return {begin, tokens_before(files, read_one<int64_t>(files.idx, entry + 8)) - begin};
}

std::vector<int64_t> read_tokens(const DatasetFiles& files, int64_t begin, int64_t count) {
  return with_type(files, [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::vector<T> tokens(static_cast<size_t>(count));
    files.bin.read(begin * static_cast<int64_t>(sizeof(T)),
                   std::as_writable_bytes(std::span(tokens)));
    return std::vector<int64_t>(tokens.begin(), tokens.end());
  });
}

TokenFacts verify_tokens(const DatasetFiles& files, int64_t vocab_size) {
  const int64_t largest = vocab_size > 0 ? vocab_size - 1 : std::numeric_limits<int32_t>::max();
  TokenFacts facts;
  with_type(files,
            [&](auto tag) { read_bin<typename decltype(tag)::type>(files, largest, facts); });
  facts.idx_hash = hash_of(files.idx);
  return facts;
}

}  // namespace swallow
