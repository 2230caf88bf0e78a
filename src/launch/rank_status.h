// What the ranks say about once a second of what they are about: when the job fails, rank 0 adds to
// the reason who was not waiting for others, which is where a hang has its cause.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/awake_clock.h"

namespace swallow {

struct RankStatus {
  double busy_seconds = 0;  // without waiting for others; negative: it waits
  std::string doing;        // "step 12, for 0.3 s after call 17: ..."

  [[nodiscard]] std::string encode() const;
  static std::optional<RankStatus> decode(std::string_view payload);
};

/// The latest status of every rank, as rank 0 has it.
class RankStatuses {
 public:
  using Time = AwakeClock::time_point;

  explicit RankStatuses(size_t world_size) : entries_(world_size) {}

  /// `name`: "rank 3 on b".
  void note(int rank, std::string name, RankStatus status, Time now);

  /// "; 0.4 s before, it was in step 12, ...", or nothing when the rank has never said.
  [[nodiscard]] std::string last_words(int rank, Time now) const;
  /// "; not waiting for others: rank 3 on b (no word for 31 s; then in step 12, ...)": those that
  /// have been silent or busy for long, the longest first; nothing when all wait.
  [[nodiscard]] std::string suspects(Time now) const;

 private:
  struct Entry {
    std::string name;
    RankStatus status;
    std::optional<Time> heard;
  };

  std::vector<Entry> entries_;
};

}  // namespace swallow
