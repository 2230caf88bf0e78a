// Which rank keeps the others waiting. In synchronous training a step takes all ranks the same
// time; the slow one is the one that computes, or waits for its data, while the others wait in
// collectives: that is its busy time. Ranks are compared within their pipeline stage, because
// stages differ in work by design: the first holds the embedding and the last the head.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace swallow {

struct SlowRank {
  int rank = 0;
  double excess = 0;  // over the median of its stage: 0.18 is 18 % more time
  friend bool operator==(const SlowRank&, const SlowRank&) = default;
};

/// By how much a rank must exceed the median of its stage: both by share and by time a step, which
/// is what scheduling costs a healthy rank of a tiny model.
inline constexpr double kSlowExcess = 0.10;
inline constexpr double kSlowSeconds = 0.002;

/// The rank that exceeds its stage's median by the greatest share, if that is beyond both bounds.
/// `busy_seconds` and `stages`: of each rank. The median of an even number is the lower of the
/// two in the middle, so that one rank of two, or one host of two, can be the slow one. A stage of
/// one rank has nothing to be compared with.
[[nodiscard]] std::optional<SlowRank> find_slow_rank(std::span<const double> busy_seconds,
                                                     std::span<const int> stages);

/// Keeps noise from being named: a rank must be the slow one in two windows in a row, and is named
/// until a window ends in which it is not. A window has at least kWindowSteps steps, so that one
/// hiccup does not make it, and in the busiest rank kWindowSeconds of computing, beside which the
/// scheduling of a machine with more ranks than cores evens out.
class SlowRankWatch {
 public:
  static constexpr int64_t kWindowSteps = 5;
  static constexpr double kWindowSeconds = 2.0;

  explicit SlowRankWatch(std::vector<int> stages) : stages_(std::move(stages)) {}

  /// `busy_seconds`: each rank's mean over the last `steps` steps. True when a window has ended.
  bool add(std::span<const double> busy_seconds, int64_t steps);

  /// The rank to name now.
  [[nodiscard]] const std::optional<SlowRank>& named() const noexcept { return named_; }

 private:
  std::vector<int> stages_;
  std::vector<double> sums_;  // seconds of each rank in the window
  int64_t steps_ = 0;         // in the window
  std::optional<SlowRank> last_;
  std::optional<SlowRank> named_;
};

}  // namespace swallow
