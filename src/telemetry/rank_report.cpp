#include "telemetry/rank_report.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace swallow {

namespace {

constexpr std::array kTimes{&RankMetrics::compute_seconds, &RankMetrics::waiting_seconds,
                            &RankMetrics::data_seconds};

/// Of each rank: the time in which others may have to wait for it.
std::vector<double> busy_seconds(const RankMetrics& metrics) {
  std::vector<double> busy = metrics.compute_seconds;
  for (size_t rank = 0; rank < busy.size(); ++rank) busy[rank] += metrics.data_seconds[rank];
  return busy;
}

}  // namespace

int64_t RankMetrics::most_memory() const noexcept {
  return peak_memory_bytes.empty()
             ? 0
             : *std::max_element(peak_memory_bytes.begin(), peak_memory_bytes.end());
}

RankReport::RankReport(RankPlaces places)
    : places_(std::move(places)),
      watch_(places_.stage_of_rank),
      times_named_(places_.stage_of_rank.size()),
      worst_(places_.stage_of_rank.size()) {}

std::optional<RankMetrics> RankReport::add(const RankMetrics& metrics, Clock::time_point now) {
  for (const auto times : kTimes)
    SWALLOW_CHECK((metrics.*times).size() == places_.stage_of_rank.size(),
                  "times of {} ranks, places of {}", (metrics.*times).size(),
                  places_.stage_of_rank.size());
  collect(metrics);
  const auto rank_of = [](const std::optional<SlowRank>& slow) { return slow ? slow->rank : -1; };
  const int before = rank_of(watch_.named());
  if (watch_.add(busy_seconds(metrics), metrics.steps)) {
    ++windows_;
    if (const auto& slow = watch_.named()) {
      const auto rank = static_cast<size_t>(slow->rank);
      ++times_named_[rank];
      worst_[rank] = std::max(worst_[rank], slow->excess);
    }
  }
  const bool due = !recorded_ || now - *recorded_ >= kRecordEvery || metrics.last;
  if (!due && rank_of(watch_.named()) == before) return std::nullopt;
  recorded_ = now;
  RankMetrics means = std::exchange(collected_, {.steps = 0});
  for (const auto times : kTimes)
    for (double& seconds : means.*times) seconds /= static_cast<double>(means.steps);
  return means;
}

void RankReport::collect(const RankMetrics& metrics) {
  collected_.step = metrics.step;
  collected_.steps += metrics.steps;
  collected_.last = metrics.last;
  collected_.peak_memory_bytes = metrics.peak_memory_bytes;
  for (const auto times : kTimes) {
    std::vector<double>& sums = collected_.*times;
    sums.resize(places_.stage_of_rank.size());
    for (size_t rank = 0; rank < sums.size(); ++rank)
      sums[rank] += (metrics.*times)[rank] * static_cast<double>(metrics.steps);
  }
}

std::string RankReport::note() const {
  const auto& slow = watch_.named();
  if (!slow) return {};
  return fmt::format("slow: {} {:+.0f} %", name_of(slow->rank), 100.0 * slow->excess);
}

std::string RankReport::summary() const {
  const auto most = std::max_element(times_named_.begin(), times_named_.end());
  if (most == times_named_.end() || *most == 0) return {};
  const auto rank = most - times_named_.begin();
  return fmt::format("{} in {} of {} windows, {:+.0f} % at worst", name_of(static_cast<int>(rank)),
                     *most, windows_, 100.0 * worst_[static_cast<size_t>(rank)]);
}

std::string RankReport::name_of(int rank) const {
  const int node = places_.node_of_rank[static_cast<size_t>(rank)];
  return fmt::format("rank {} (host {})", rank, places_.host_names[static_cast<size_t>(node)]);
}

}  // namespace swallow
