// A file of text, plain or gzip, as a stream of bytes. What it is, its first bytes tell, not its
// name.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "data/file.h"

namespace swallow {

class TextInput {
 public:
  /// DataError naming the path when it cannot be opened or is not a regular file.
  explicit TextInput(std::string path);
  TextInput(const TextInput&) = delete;
  TextInput& operator=(const TextInput&) = delete;
  ~TextInput();

  /// Fills the front of `out` and returns how many bytes; 0 at the end. Gzip members that follow
  /// one another are one text. DataError with the offset in the compressed file when one is damaged
  /// or cut off, or when something else follows the last.
  int64_t read(std::span<char> out);

  /// Bytes of the file, compressed where it is, that were read for what read() gave so far.
  [[nodiscard]] int64_t consumed() const;

 private:
  class Gzip;
  InputFile file_;
  int64_t offset_ = 0;          // of a plain file
  std::unique_ptr<Gzip> gzip_;  // or none
};

}  // namespace swallow
