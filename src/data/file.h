// Files by descriptor: positioned reads that report what went wrong, and output that appears under
// its name only when it is whole. Nothing is mapped: a file that shrinks under a reader is an error
// message here, where a mapping would be a SIGBUS.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace swallow {

/// A file opened for reading. Reads take their own position, so threads may share one.
class InputFile {
 public:
  /// DataError naming the path when it cannot be opened or is not a regular file.
  explicit InputFile(std::string path);
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;
  ~InputFile();

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// Bytes at the time of opening.
  [[nodiscard]] int64_t size() const noexcept { return size_; }

  /// Fills `out` from `offset`; DataError with path and offset when the file ends before that.
  void read(int64_t offset, std::span<std::byte> out) const;
  /// Reads up to out.size() bytes, fewer only at the end of the file; returns how many.
  [[nodiscard]] int64_t read_some(int64_t offset, std::span<std::byte> out) const;
  [[nodiscard]] std::vector<std::byte> read_all() const;

 private:
  std::string path_;
  int fd_ = -1;
  int64_t size_ = 0;
};

/// A file written under a temporary name beside `path`; commit() makes it durable and gives it its
/// name. Without commit() it is removed. A crash leaves at most `<path>.partial.<pid>`, which
/// remove_leftovers() clears; a lock on it tells that its writer lives.
class OutputFile {
 public:
  explicit OutputFile(std::string path);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  void write(std::span<const std::byte> bytes);
  [[nodiscard]] int64_t size() const noexcept { return size_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// Writes out what is buffered and waits until the device has it.
  void sync();
  /// rename() to the final name; sync() first. The folder is synchronised by sync_folder_of().
  void commit();

 private:
  void flush();
  [[noreturn]] void fail(const char* action) const;

  std::string path_;
  std::string temporary_;
  int fd_ = -1;
  int64_t size_ = 0;
  std::vector<std::byte> buffer_;
};

/// Removes what writers of `path` that were killed have left. Returns the name of a temporary file
/// whose writer lives (or cannot be known to be dead), which then stays; otherwise nothing.
[[nodiscard]] std::string remove_leftovers(const std::string& path);

/// Makes renames and removals in the folder that holds `path` durable.
void sync_folder_of(const std::string& path);

}  // namespace swallow
