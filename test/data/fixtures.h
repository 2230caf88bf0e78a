// What the tests of data share: a folder that vanishes, small datasets, messages of errors.
#pragma once

#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "data/indexed_dataset.h"

namespace swallow::test {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "swallow-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = pattern;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string operator/(std::string_view name) const {
    return (path_ / name).string();
  }
  /// Names of what is in it.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  std::filesystem::path path_;
};

inline void write_file(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// Documents of these lengths; token j of the whole file is j mod `modulus`.
inline void write_dataset(const std::string& prefix, std::span<const int32_t> lengths,
                          int32_t modulus = 65536, TokenType type = TokenType::u16) {
  IndexedDatasetWriter writer(prefix, type);
  int32_t next = 0;
  for (const int32_t length : lengths) {
    std::vector<int32_t> document;
    for (int32_t i = 0; i < length; ++i) document.push_back(next++ % modulus);
    writer.add_document(document);
  }
  writer.finish();
}

/// As scripts/make_data_fixtures.py has them: uneven, some 0.
inline std::vector<int32_t> uneven_lengths(int count) {
  std::vector<int32_t> lengths;
  for (int i = 0; i < count; ++i) lengths.push_back((i * 7919 + 13) % 97);
  return lengths;
}

/// The message of the exception of type E that `fn` throws; fails when it throws none.
template <class E, class Fn>
std::string message_of(Fn&& fn) {
  try {
    fn();
  } catch (const E& error) {
    return error.what();
  }
  throw std::runtime_error("nothing was thrown");
}

}  // namespace swallow::test
