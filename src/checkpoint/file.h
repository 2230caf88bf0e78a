// Files as a checkpoint needs them: explicit offsets, durable writes, errors that name the file and
// the byte. No mmap: a full disk or a file that shrinks must be an exception, not SIGBUS.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace swallow {

/// Whether opening a file follows a symbolic link. Folders of the Hugging Face cache consist of
/// them; what we write has none.
enum class Links : uint8_t { refuse, follow };

/// An open regular file. Move-only. Reading throws CheckpointError, writing IoError.
class File {
 public:
  /// Anything that is not a regular file is refused.
  static File open(const std::filesystem::path& path, Links links = Links::refuse);
  /// The file must not exist yet.
  static File create(const std::filesystem::path& path);

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// Bytes.
  [[nodiscard]] int64_t size() const;
  /// Fills `bytes` from `offset`; a file that ends before is an error.
  void read(std::span<std::byte> bytes, int64_t offset) const;

  /// Reserves the first `bytes` of the file, so that a full disk shows before anything is written.
  void reserve(int64_t bytes);
  void write(std::span<const std::byte> bytes, int64_t offset);
  /// Returns when the contents are on the disk; no other call may follow.
  void sync_and_close();

 private:
  File(std::filesystem::path path, int descriptor)
      : path_(std::move(path)), descriptor_(descriptor) {}

  std::filesystem::path path_;
  int descriptor_ = -1;
};

/// All bytes of a file.
std::vector<std::byte> read_file(const std::filesystem::path& path, Links links = Links::refuse);

/// A new file with this text, on the disk when the call returns (its name is not: sync_folder).
void write_new_file(const std::filesystem::path& path, std::string_view text);

/// Replaces a file so that at any moment it holds either the old or the new text.
void replace_file(const std::filesystem::path& path, std::string_view text);

/// Returns when the names in `folder` are on the disk.
void sync_folder(const std::filesystem::path& folder);

/// rename(2); throws IoError.
void rename_path(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace swallow
