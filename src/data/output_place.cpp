#include "data/output_place.h"

#include <filesystem>
#include <string_view>
#include <system_error>

#include "base/check.h"
#include "data/file.h"

namespace swallow {

namespace {

namespace fs = std::filesystem;

void check_folder(const std::string& prefix) {
  const fs::path parent = fs::path(prefix).parent_path();
  std::error_code error;
  if (parent.empty() || fs::is_directory(parent, error)) return;
  throw ConfigError("--output-prefix {}: there is no folder {}; expected one that exists", prefix,
                    parent.string());
}

void check_name(const std::string& prefix, const std::string& path, Existing existing,
                std::span<const std::string> inputs) {
  std::error_code ignored;
  const fs::file_status status = fs::symlink_status(path, ignored);
  if (!fs::exists(status)) return;
  if (fs::is_directory(status)) {
    throw ConfigError("--output-prefix {}: {} exists and is a folder", prefix, path);
  }
  for (const std::string& input : inputs) {
    if (fs::equivalent(input, path, ignored)) {
      throw ConfigError("--output-prefix {}: {} exists and is one of the inputs; give another name",
                        prefix, path);
    }
  }
  if (existing == Existing::replace) return;
  throw ConfigError(
      "--output-prefix {}: {} exists; give another name, or --overwrite to replace it", prefix,
      path);
}

}  // namespace

void claim_output(const std::string& prefix, Existing existing,
                  std::span<const std::string> inputs) {
  check_folder(prefix);
  for (const char* ending : {".idx", ".bin"}) {
    check_name(prefix, prefix + ending, existing, inputs);
  }
  for (const char* ending : {".idx", ".bin"}) {
    const std::string path = prefix + ending;
    if (const std::string busy = remove_leftovers(path); !busy.empty()) {
      throw ConfigError(
          "--output-prefix {}: {} is being written by another process, or this file system cannot "
          "tell; give another name, or remove it if no run is left",
          prefix, busy);
    }
  }
}

}  // namespace swallow
