#include "config/preset.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "config/config_json.h"
#include "config/nearest_name.h"
#include "config/value_text.h"

namespace swallow {
namespace {

namespace fs = std::filesystem;

bool is_path(const std::string& preset) {
  return preset.find('/') != std::string::npos || preset.ends_with(".json");
}

// One byte more than is accepted is enough to see that a file is too large.
std::string read_file(const fs::path& path, const std::string& preset) {
  std::error_code ignored;
  std::ifstream file(path, std::ios::binary);
  if (!file || fs::is_directory(path, ignored))
    throw ConfigError("--preset {}: cannot read {}", printable(preset), printable(path.string()));
  std::string text(kMaxConfigBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad())
    throw ConfigError("--preset {}: reading {} failed", printable(preset),
                      printable(path.string()));
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

fs::path path_of(const std::string& preset) {
  if (is_path(preset)) return preset;
  const std::vector<std::string> names = preset_names();
  if (std::find(names.begin(), names.end(), preset) == names.end())
    throw ConfigError("--preset {}: expected the path of a .json file, or one of {} (in {}){}",
                      printable(preset), fmt::join(names, "|"), preset_folder(),
                      did_you_mean(preset, names));
  return fs::path(preset_folder()) / (preset + ".json");
}

}  // namespace

std::string preset_folder() {
  if (const char* folder = std::getenv("SWALLOW_PRESETS"); folder != nullptr && *folder != '\0')
    return folder;
  std::error_code error;
  const fs::path binary = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    const fs::path installed = binary.parent_path().parent_path() / "share/swallow-train/presets";
    if (fs::is_directory(installed, error)) return installed.string();
  }
  return SWALLOW_PRESET_FOLDER;
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(preset_folder(), error), end; !error && entry != end;
       entry.increment(error))
    if (entry->path().extension() == ".json") names.push_back(entry->path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> apply_preset(const std::string& preset, RunConfig& config) {
  const fs::path path = path_of(preset);
  std::vector<std::string> keys =
      apply_json(read_file(path, preset), printable(path.string()), config);
  config.preset = preset;
  return keys;
}

}  // namespace swallow
