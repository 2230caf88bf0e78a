// How often a run has been started and how its jobs have ended: attempts.jsonl in the folder of
// --save, a line when a job begins to train and another when it ends in good order. A job script
// starts a job again and again; when job after job dies without a new checkpoint, that must end.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/check.h"

namespace swallow {

/// Rank 0 keeps it. A line that cannot be read, as a crash or a full disk may leave one, is passed
/// over; one that cannot be written is an IoError.
class AttemptLog {
 public:
  /// An empty `folder`: nothing is kept.
  explicit AttemptLog(const std::filesystem::path& folder);

  /// Of the latest attempts, how many began at `iteration` and did not end in good order.
  [[nodiscard]] int64_t failed_in_a_row(int64_t iteration) const;

  /// Notes that a job of `run_id`, on `host`, trains from `iteration` on. Throws CrashLoopError
  /// instead when `max_failed` attempts (0: any number) have failed there.
  void begin(int64_t iteration, int64_t max_failed, const std::string& run_id,
             const std::string& host);
  /// The attempt that has begun ends in good order.
  void end(int64_t iteration, ExitCode code);

  /// Of the attempt that has begun, from 1; 0 before.
  [[nodiscard]] int64_t number() const noexcept { return number_; }

 private:
  [[nodiscard]] std::string read() const;
  void append(const std::string& line) const;

  std::filesystem::path path_;  // empty: nothing is kept
  int64_t number_ = 0;
};

}  // namespace swallow
