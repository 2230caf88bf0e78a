// A folder that appears under its name only when everything in it is on the disk.
#pragma once

#include <filesystem>
#include <string_view>

namespace swallow {

/// Throws ConfigError naming `flag` unless `path` is free: absent, or an empty folder.
void require_free_folder(std::string_view flag, const std::filesystem::path& path);

/// Written as `<path>.tmp-<process id>` beside its final place; removed again unless committed.
class PendingFolder {
 public:
  /// Throws IoError when it cannot be made. `path` must be free.
  explicit PendingFolder(std::filesystem::path path);
  PendingFolder(const PendingFolder&) = delete;
  PendingFolder& operator=(const PendingFolder&) = delete;
  ~PendingFolder();

  /// Where to write meanwhile.
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return temporary_; }

  /// Gives it its name, in place of an empty folder that may be there. Throws IoError.
  void commit();

 private:
  std::filesystem::path final_;
  std::filesystem::path temporary_;
};

}  // namespace swallow
