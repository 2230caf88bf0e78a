#include "checkpoint/iteration_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <set>
#include <system_error>

#include "base/check.h"
#include "checkpoint/file.h"

namespace swallow {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kTracker = "latest_checkpointed_iteration.txt";
constexpr std::string_view kOld = ".old";
constexpr std::string_view kTemporary = ".tmp-";
constexpr std::string_view kTrash = ".trash";

std::string name_of_iteration(int64_t iteration) {
  return fmt::format("iter_{:07}", iteration);
}

std::optional<int64_t> parse_decimal(std::string_view text) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < 0) return std::nullopt;
  return value;
}

/// The iteration of a folder's name and what follows it; nullopt for other names.
struct FolderName {
  int64_t iteration = 0;
  std::string_view suffix;
};

std::optional<FolderName> parse_name(std::string_view name) {
  const size_t dot = std::min(name.find('.'), name.size());
  if (!name.starts_with("iter_")) return std::nullopt;
  const auto iteration = parse_decimal(name.substr(5, dot - 5));
  if (!iteration || name_of_iteration(*iteration) != name.substr(0, dot)) return std::nullopt;
  return FolderName{.iteration = *iteration, .suffix = name.substr(dot)};
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::vector<std::string> names_in(const fs::path& folder, std::error_code& error) {
  std::vector<std::string> names;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    names.push_back(it->path().filename().string());
  std::ranges::sort(names);
  return names;
}

/// Temporary folders, trash, and replaced folders whose replacement is in place.
void remove_leftovers(const fs::path& folder) {
  std::error_code error;
  for (const std::string& name : names_in(folder, error)) {
    const auto parsed = parse_name(name);
    if (!parsed) continue;
    const bool replaced =
        parsed->suffix == kOld && is_there(folder / name_of_iteration(parsed->iteration));
    if (replaced || parsed->suffix == kTrash || parsed->suffix.starts_with(kTemporary))
      fs::remove_all(folder / name, error);
    if (error) break;
  }
  if (error)
    throw IoError("{}: cannot clear left-over folders: {}", folder.string(), error.message());
}

}  // namespace

fs::path committed_folder(const fs::path& folder, int64_t iteration) {
  const fs::path path = folder / name_of_iteration(iteration);
  const fs::path old = path.string() + std::string(kOld);
  if (is_there(path)) return path;
  if (is_there(old)) return old;
  throw CheckpointError("{}: there is no checkpoint of iteration {}", folder.string(), iteration);
}

std::vector<int64_t> committed_iterations(const fs::path& folder) {
  std::error_code error;
  std::set<int64_t, std::greater<>> iterations;
  for (const std::string& name : names_in(folder, error)) {
    const auto parsed = parse_name(name);
    if (parsed && (parsed->suffix.empty() || parsed->suffix == kOld))
      iterations.insert(parsed->iteration);
  }
  if (error && error != std::errc::no_such_file_or_directory)
    throw CheckpointError("{}: cannot read the folder: {}", folder.string(), error.message());
  return {iterations.begin(), iterations.end()};
}

void remove_iteration(const fs::path& folder, int64_t iteration) {
  const fs::path path = folder / name_of_iteration(iteration);
  const fs::path trash = path.string() + std::string(kTrash);
  for (const fs::path& name : {fs::path(path.string() + std::string(kOld)), path}) {
    if (!is_there(name)) continue;
    std::error_code error;
    fs::remove_all(trash, error);
    if (!error) {
      rename_path(name, trash);
      fs::remove_all(trash, error);
    }
    if (error) throw IoError("{}: cannot delete: {}", trash.string(), error.message());
  }
}

std::optional<int64_t> read_tracker(const fs::path& folder) {
  try {
    const std::vector<std::byte> bytes = read_file(folder / kTracker);
    std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
    return parse_decimal(text);
  } catch (const CheckpointError&) {
    return std::nullopt;  // it is a hint
  }
}

void write_tracker(const fs::path& folder, int64_t iteration) {
  replace_file(folder / kTracker, fmt::format("{}", iteration));
}

PendingIteration::PendingIteration(fs::path folder, int64_t iteration)
    : folder_(std::move(folder)), iteration_(iteration) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) throw IoError("{}: cannot make the folder: {}", folder_.string(), error.message());
  remove_leftovers(folder_);
  temporary_ = folder_ / fmt::format("{}{}1", name_of_iteration(iteration), kTemporary);
  if (::mkdir(temporary_.c_str(), 0750) != 0)
    throw IoError("{}: cannot make the folder: {}", temporary_.string(),
                  std::generic_category().message(errno));
}

PendingIteration::~PendingIteration() {
  std::error_code ignored;  // the next save clears it
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

void PendingIteration::commit() {
  const fs::path path = folder_ / name_of_iteration(iteration_);
  const fs::path old = path.string() + std::string(kOld);
  sync_folder(temporary_);
  if (is_there(path)) rename_path(path, old);
  rename_path(temporary_, path);
  temporary_.clear();
  sync_folder(folder_);
  std::error_code ignored;  // the next save clears it
  fs::remove_all(old, ignored);
}

}  // namespace swallow
