// Finding what can be loaded, without reading tensors.
#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <filesystem>

#include "base/check.h"
#include "checkpoint/file.h"
#include "checkpoint/iteration_folder.h"
#include "checkpoint/manifest.h"

namespace swallow {

namespace {

bool is_whole(const std::string& folder, int64_t iteration) {
  try {
    check_checkpoint(folder, iteration);
    return true;
  } catch (const CheckpointError&) {
    return false;  // the caller looks for another one
  }
}

}  // namespace

std::vector<int64_t> checkpoint_candidates(const std::string& folder) {
  std::vector<int64_t> iterations = committed_iterations(folder);
  const auto tracked = read_tracker(folder);
  if (!tracked) return iterations;
  std::erase(iterations, *tracked);
  iterations.insert(iterations.begin(), *tracked);
  return iterations;
}

void check_checkpoint(const std::string& folder, int64_t iteration) {
  const std::filesystem::path path = committed_folder(folder, iteration);
  for (const auto& [name, stored] : read_manifest(path, iteration).files) {
    const File file = File::open(path / name);
    if (file.size() != stored.size)
      throw CheckpointError("{}: {} bytes, the manifest says {}", file.path().string(), file.size(),
                            stored.size);
  }
}

std::optional<int64_t> find_checkpoint(const std::string& folder) {
  const std::vector<int64_t> candidates = checkpoint_candidates(folder);
  const auto whole =
      std::ranges::find_if(candidates, [&](int64_t i) { return is_whole(folder, i); });
  return whole == candidates.end() ? std::nullopt : std::optional(*whole);
}

CheckpointState read_checkpoint_state(const std::string& folder, int64_t iteration) {
  return read_manifest(committed_folder(folder, iteration), iteration).state;
}

}  // namespace swallow
