// The last calls that a rank made of its communicators, for the one question after a hang: who was
// where; and the time spent in all of them. Writing one costs two looks at the clock and a few
// stores. One thread makes calls; any thread may read.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "base/awake_clock.h"
#include "comm/call.h"

namespace swallow {

enum class Axis : uint8_t { tp, dp, pp };

/// What a rank is about, for others.
struct Doing {
  double busy_seconds = 0;  // since its last call has returned; negative: it waits in a call
  std::string text;         // "for 2.1 s in call 17: all_reduce(sum, 4 x f32) of the tp group"
};

class CallRing {
 public:
  static constexpr size_t kCapacity = 64;

  void begin(Axis axis, const Call& call) noexcept;
  /// The call that has begun has returned.
  void end() noexcept;

  /// Seconds in calls that have returned. Where a call returns with its work done, as between CPUs,
  /// that is the time spent waiting for others and moving bytes.
  [[nodiscard]] double waited_seconds() const noexcept;

  [[nodiscard]] Doing doing() const;
  /// A line for each call, the oldest first, with seconds since it began and how long it took.
  [[nodiscard]] std::string text() const;

 private:
  /// Of one call; `number` is written first and last, so that a reader sees a change between.
  struct Entry {
    std::atomic<uint64_t> number = 0;  // from 1; 0: none, or one that is being written
    std::atomic<uint64_t> what = 0;    // axis, kind, dtype, operation and root
    std::atomic<int64_t> count = 0;
    std::atomic<int64_t> begin = 0;  // nanoseconds of AwakeClock
    std::atomic<int64_t> end = 0;    // likewise; 0: under way
  };
  /// A copy of an entry.
  struct Record {
    uint64_t number = 0;
    Axis axis = Axis::tp;
    Call call;
    int64_t begin = 0;
    int64_t end = 0;
    [[nodiscard]] std::string text() const;
  };

  [[nodiscard]] Entry& entry(uint64_t number) { return entries_[number % kCapacity]; }
  /// An empty record for a call that has been overwritten.
  [[nodiscard]] Record read(uint64_t number) const;

  std::array<Entry, kCapacity> entries_;
  std::atomic<uint64_t> last_ = 0;   // number of the latest call
  std::atomic<int64_t> waited_ = 0;  // nanoseconds between begin and end of all calls
};

}  // namespace swallow
