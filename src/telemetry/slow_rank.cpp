#include "telemetry/slow_rank.h"

#include <algorithm>
#include <map>

namespace swallow {

namespace {

double lower_median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

std::optional<SlowRank> find_slow_rank(std::span<const double> busy_seconds,
                                       std::span<const int> stages) {
  std::map<int, std::vector<double>> by_stage;
  for (size_t rank = 0; rank < busy_seconds.size(); ++rank)
    by_stage[stages[rank]].push_back(busy_seconds[rank]);
  std::map<int, double> medians;
  for (auto& [stage, seconds] : by_stage) medians[stage] = lower_median(std::move(seconds));

  std::optional<SlowRank> slowest;
  for (size_t rank = 0; rank < busy_seconds.size(); ++rank) {
    const double median = medians[stages[rank]];
    const double over = busy_seconds[rank] - median;
    if (median <= 0 || over <= kSlowSeconds || over <= kSlowExcess * median) continue;
    if (!slowest || over / median > slowest->excess)
      slowest = SlowRank{static_cast<int>(rank), over / median};
  }
  return slowest;
}

bool SlowRankWatch::add(std::span<const double> busy_seconds, int64_t steps) {
  sums_.resize(busy_seconds.size());
  for (size_t rank = 0; rank < sums_.size(); ++rank)
    sums_[rank] += busy_seconds[rank] * static_cast<double>(steps);
  steps_ += steps;
  if (sums_.empty() || *std::max_element(sums_.begin(), sums_.end()) < kWindowSeconds) return false;
  if (steps_ < kWindowSteps) return false;

  for (double& sum : sums_) sum /= static_cast<double>(steps_);
  const std::optional<SlowRank> slow = find_slow_rank(sums_, stages_);
  named_ = slow && last_ && slow->rank == last_->rank ? slow : std::nullopt;
  last_ = slow;
  std::fill(sums_.begin(), sums_.end(), 0);
  steps_ = 0;
  return true;
}

}  // namespace swallow
