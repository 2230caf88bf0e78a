// The folders of a run's checkpoints and the moves that commit one. Names:
//   iter_0000010           committed
//   iter_0000010.tmp-1     being written, or left by a job that died; never read
//   iter_0000010.old       a committed one while its replacement takes its name; read if alone
//   iter_0000010.trash     being deleted, or left by a job that died at it; never read
//   latest_checkpointed_iteration.txt   plain decimal; a hint for people and scripts
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace swallow {

/// Where a committed iteration lies. Throws CheckpointError when there is none.
std::filesystem::path committed_folder(const std::filesystem::path& folder, int64_t iteration);

/// Committed iterations, newest first; whether they are whole is not checked. Empty when `folder`
/// does not exist. Throws CheckpointError when it cannot be read.
std::vector<int64_t> committed_iterations(const std::filesystem::path& folder);

/// Deletes a committed iteration; from its first moment on the folder is not found any more. Throws
/// IoError.
void remove_iteration(const std::filesystem::path& folder, int64_t iteration);

/// What the tracker file says; nullopt when it is missing, cannot be read or holds no number.
std::optional<int64_t> read_tracker(const std::filesystem::path& folder);
void write_tracker(const std::filesystem::path& folder, int64_t iteration);

/// A folder being written; removed again unless committed. Held by rank 0 alone.
class PendingIteration {
 public:
  /// Clears what dead jobs left, then makes the temporary folder. Throws IoError.
  PendingIteration(std::filesystem::path folder, int64_t iteration);
  PendingIteration(const PendingIteration&) = delete;
  PendingIteration& operator=(const PendingIteration&) = delete;
  ~PendingIteration();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return temporary_; }

  /// Gives the folder its final name. At every moment either the previous or the new folder of this
  /// iteration is found by committed_folder().
  void commit();

 private:
  std::filesystem::path folder_;
  int64_t iteration_;
  std::filesystem::path temporary_;
};

}  // namespace swallow
