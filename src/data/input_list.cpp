#include "data/input_list.h"

#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <new>
#include <utility>

#include "base/check.h"
#include "data/file.h"

namespace swallow {

namespace {

/// What glob(3) finds, freed at the end.
class Matches {
 public:
  explicit Matches(const std::string& pattern) {
    const int status = ::glob(pattern.c_str(), GLOB_ERR | GLOB_NOSORT, nullptr, &found_);
    if (status == GLOB_NOSPACE) throw std::bad_alloc();
    if (status == GLOB_ABORTED) {
      throw DataError("--input {}: a folder cannot be read: {}", pattern, std::strerror(errno));
    }
    if (status == GLOB_NOMATCH) {
      throw DataError("--input {}: no file matches; expected at least one", pattern);
    }
  }
  Matches(const Matches&) = delete;
  Matches& operator=(const Matches&) = delete;
  ~Matches() { ::globfree(&found_); }

  /// By bytes: glob(3) itself would sort by the user's locale.
  [[nodiscard]] std::vector<std::string> sorted() const {
    std::vector<std::string> names(found_.gl_pathv, found_.gl_pathv + found_.gl_pathc);
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  glob_t found_{};
};

}  // namespace

std::vector<std::string> expand_inputs(std::span<const std::string> patterns) {
  std::vector<std::string> paths;
  for (const std::string& pattern : patterns) {
    std::error_code ignored;
    if (pattern.find_first_of("*?[") == std::string::npos ||
        std::filesystem::exists(pattern, ignored)) {
      paths.push_back(pattern);
    } else {
      const std::vector<std::string> names = Matches(pattern).sorted();
      paths.insert(paths.end(), names.begin(), names.end());
    }
  }
  return paths;
}

int64_t check_inputs(std::span<const std::string> paths) {
  int64_t bytes = 0;
  std::map<std::pair<dev_t, ino_t>, std::string> seen;
  for (const std::string& path : paths) {
    const InputFile file(path);  // closed again: there may be more inputs than descriptors
    bytes += file.size();
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
      throw DataError("{}: {}", path, std::strerror(errno));
    }
    const auto [place, is_new] = seen.try_emplace({status.st_dev, status.st_ino}, path);
    if (!is_new) {
      throw ConfigError("--input {}: is the same file as {}; expected each file once", path,
                        place->second);
    }
  }
  return bytes;
}

}  // namespace swallow
