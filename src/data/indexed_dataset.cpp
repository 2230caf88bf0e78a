#include "data/indexed_dataset.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/math.h"

namespace swallow {

namespace {

constexpr int64_t kBlock = 64;  // sequences per stored pointer: at most 63 lengths are added up

IndexFile read_index(const std::string& prefix) {
  const InputFile file(prefix + ".idx");
  const IndexFile index = parse_index(reader_of(file), file.size(), file.path());
  check_integers(file, index.type);
  return index;
}

/// Reads out.size() elements of T at `byte` and widens (or range-checks) them to i32.
template <class T>
void read_tokens(const InputFile& file, int64_t byte, std::span<int32_t> out) {
  if constexpr (sizeof(T) == sizeof(int32_t)) {
    file.read(byte, std::as_writable_bytes(out));
  } else {
    // Small enough for the stack, large enough for a sample of 4096 tokens of u16 in one call.
    std::array<T, 16384 / sizeof(T)> part;
    for (size_t done = 0; done < out.size();) {
      const size_t count = std::min(part.size(), out.size() - done);
      file.read(byte + static_cast<int64_t>(done * sizeof(T)),
                std::as_writable_bytes(std::span(part.data(), count)));
      for (size_t i = 0; i < count; ++i) {
        if constexpr (sizeof(T) > sizeof(int32_t)) {
          if (part[i] < 0 || part[i] > std::numeric_limits<int32_t>::max()) {
            throw DataError("{}: offset {}: {} is no token", file.path(),
                            byte + static_cast<int64_t>((done + i) * sizeof(T)), part[i]);
          }
        }
        out[done + i] = static_cast<int32_t>(part[i]);
      }
      done += count;
    }
  }
}

}  // namespace

ByteReader reader_of(const InputFile& file) {
  return [&file](int64_t offset, std::span<std::byte> out) { file.read(offset, out); };
}

void check_size(const InputFile& bin, TokenType type, int64_t num_tokens) {
  if (const int64_t expected = num_tokens * size_of(type); bin.size() != expected) {
    throw DataError("{}: {} bytes, but its index promises {} tokens of {} = {} bytes", bin.path(),
                    bin.size(), num_tokens, name_of(type), expected);
  }
}

void check_integers(const InputFile& idx, TokenType type) {
  if (type == TokenType::f32 || type == TokenType::f64) {
    throw DataError("{}: offset 17: elements are {}, tokens are integers", idx.path(),
                    name_of(type));
  }
}

std::string dataset_prefix(std::string_view path) {
  return std::string(path.ends_with(".idx") ? path.substr(0, path.size() - 4) : path);
}

void commit_pair(OutputFile& bin, OutputFile& idx) {
  bin.sync();
  idx.sync();
  // An older dataset of this name loses its index first, so that the new `.bin` is never paired
  // with the old `.idx`, whatever the moment of a crash.
  std::error_code error;
  std::filesystem::remove(idx.path(), error);
  if (error) throw IoError("{}: cannot be replaced: {}", idx.path(), error.message());
  bin.commit();
  idx.commit();
  sync_folder_of(idx.path());
}

IndexedDataset::IndexedDataset(std::string prefix)
    : prefix_(std::move(prefix)), bin_(prefix_ + ".bin") {
  IndexFile index = read_index(prefix_);
  type_ = index.type;
  num_documents_ = index.num_documents;
  num_tokens_ = index.num_tokens;
  lengths_ = std::move(index.lengths);
  check_size(bin_, type_, num_tokens_);
  int64_t begin = 0;
  block_begins_.reserve(lengths_.size() / kBlock + 1);
  for (size_t i = 0; i < lengths_.size(); ++i) {
    if (i % kBlock == 0) block_begins_.push_back(begin);
    begin += lengths_[i];
  }
}

int64_t IndexedDataset::byte_of(int64_t sequence, int64_t offset) const {
  int64_t token = block_begins_[static_cast<size_t>(sequence / kBlock)] + offset;
  for (int64_t i = sequence / kBlock * kBlock; i < sequence; ++i) {
    token += lengths_[static_cast<size_t>(i)];
  }
  return token * size_of(type_);
}

void IndexedDataset::read(int64_t sequence, int64_t offset, std::span<int32_t> out) const {
  if (out.empty()) return;
  SWALLOW_CHECK(
      sequence >= 0 && sequence < num_sequences() && offset >= 0 &&
          offset + static_cast<int64_t>(out.size()) <= lengths_[static_cast<size_t>(sequence)],
      "{}: tokens {} to {} of sequence {} asked for", prefix_, offset,
      offset + static_cast<int64_t>(out.size()), sequence);
  const int64_t byte = byte_of(sequence, offset);
  switch (type_) {
    case TokenType::u8:
      return read_tokens<uint8_t>(bin_, byte, out);
    case TokenType::i8:
      return read_tokens<int8_t>(bin_, byte, out);
    case TokenType::i16:
      return read_tokens<int16_t>(bin_, byte, out);
    case TokenType::u16:
      return read_tokens<uint16_t>(bin_, byte, out);
    case TokenType::i32:
      return read_tokens<int32_t>(bin_, byte, out);
    case TokenType::i64:
      return read_tokens<int64_t>(bin_, byte, out);
    case TokenType::f32:
    case TokenType::f64:
      break;
  }
  throw ContractError("{}: element type {} passed the constructor", prefix_, name_of(type_));
}

std::string IndexedDataset::describe(int64_t sequence, int64_t offset) const {
  return fmt::format("{}: document {}, token {} of it (byte {})", bin_.path(), sequence, offset,
                     byte_of(sequence, offset));
}

IndexedDatasetWriter::IndexedDatasetWriter(std::string prefix, TokenType type)
    : type_(type), bin_(prefix + ".bin"), idx_(prefix + ".idx") {
  SWALLOW_CHECK(type == TokenType::u16 || type == TokenType::i32,
                "tokens are written as u16 or i32");
}

void IndexedDatasetWriter::add_document(std::span<const int32_t> tokens) {
  const int32_t limit = type_ == TokenType::u16 ? std::numeric_limits<uint16_t>::max()
                                                : std::numeric_limits<int32_t>::max();
  for (const int32_t token : tokens) {
    if (token < 0 || token > limit) {
      throw DataError("{}: document {}: token {} does not fit {}", bin_.path(), num_documents(),
                      token, name_of(type_));
    }
  }
  lengths_.push_back(narrow<int32_t>(tokens.size()));
  num_tokens_ += static_cast<int64_t>(tokens.size());
  if (type_ == TokenType::i32) {
    bin_.write(std::as_bytes(tokens));
  } else {
    narrow_.assign(tokens.begin(), tokens.end());
    bin_.write(std::as_bytes(std::span(narrow_)));
  }
}

void IndexedDatasetWriter::finish() {
  write_index(type_, lengths_, [this](std::span<const std::byte> bytes) { idx_.write(bytes); });
  commit_pair(bin_, idx_);
}

}  // namespace swallow
