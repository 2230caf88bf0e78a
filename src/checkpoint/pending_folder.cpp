#include "checkpoint/pending_folder.h"

#include <unistd.h>

#include <system_error>

#include "base/check.h"
#include "checkpoint/file.h"

namespace swallow {

namespace fs = std::filesystem;

namespace {

/// Absolute, and without the slash that may end a folder's name.
fs::path plain_path(const fs::path& path) {
  const fs::path absolute = fs::absolute(path).lexically_normal();
  return absolute.has_filename() ? absolute : absolute.parent_path();
}

}  // namespace

void require_free_folder(std::string_view flag, const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return;
  if (!fs::is_directory(status) || !fs::is_empty(path, error) || error)
    throw ConfigError("{} {}: exists; expected a new name or an empty folder", flag, path.string());
}

PendingFolder::PendingFolder(fs::path path)
    : final_(plain_path(path)), temporary_(fmt::format("{}.tmp-{}", final_.string(), getpid())) {
  std::error_code error;
  fs::create_directories(temporary_.parent_path(), error);
  if (!error) fs::create_directory(temporary_, error);
  if (error) throw IoError("{}: cannot make the folder: {}", temporary_.string(), error.message());
}

PendingFolder::~PendingFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

void PendingFolder::commit() {
  sync_folder(temporary_);
  rename_path(temporary_, final_);
  temporary_.clear();
  sync_folder(final_.parent_path());
}

}  // namespace swallow
