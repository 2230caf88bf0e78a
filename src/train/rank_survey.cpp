#include "train/rank_survey.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "telemetry/step_metrics.h"

namespace swallow {

namespace {

constexpr size_t kRows = 4;

}  // namespace

RankPlaces rank_places(const ProcessGrid& grid, const HostMap& hosts) {
  RankPlaces places{.node_of_rank = hosts.node_of_rank, .host_names = hosts.host_names};
  for (int rank = 0; rank < grid.world_size(); ++rank)
    places.stage_of_rank.push_back(grid.coordinate(rank).pp);
  return places;
}

RankSurvey::RankSurvey(const World& world, Stream& stream)
    : world_(world),
      stream_(stream),
      host_(kRows * static_cast<size_t>(world.grid.world_size())),
      buffer_(stream.device(), static_cast<int64_t>(host_.size() * sizeof(int64_t))) {}

void RankSurvey::add_step(const StepParts& seconds) noexcept {
  seconds_.compute += seconds.compute;
  seconds_.waiting += seconds.waiting;
  seconds_.data += seconds.data;
  ++steps_;
}

RankMetrics RankSurvey::gather(int64_t step) {
  const auto ranks = static_cast<size_t>(world_.grid.world_size());
  const auto own = static_cast<size_t>(world_.rank);
  RankMetrics metrics{.step = step, .steps = std::exchange(steps_, 0)};
  const StepParts sums = std::exchange(seconds_, {});
  const auto steps = static_cast<double>(std::max<int64_t>(metrics.steps, 1));
  // A GPU tells of a wait when it is over, which may be a step later: then a part is negative.
  const auto mean = [steps](double sum) { return std::llround(std::max(sum / steps, 0.0) * 1e6); };
  std::fill(host_.begin(), host_.end(), 0);  // what others fill in
  host_[own] = mean(sums.compute);
  host_[ranks + own] = mean(sums.waiting);
  host_[2 * ranks + own] = mean(sums.data);
  host_[3 * ranks + own] = peak_memory_bytes();

  const Tensor device{
      buffer_.data(), DType::i64, {static_cast<int64_t>(host_.size())}, stream_.device()};
  const Tensor host = host_view(std::span(host_));
  copy(stream_, device, host);
  world_.all_reduce_world(stream_, device, ReduceOp::sum);
  copy(stream_, host, device);
  world_.synchronize(stream_);
  for (size_t rank = 0; rank < ranks; ++rank) {
    metrics.compute_seconds.push_back(static_cast<double>(host_[rank]) * 1e-6);
    metrics.waiting_seconds.push_back(static_cast<double>(host_[ranks + rank]) * 1e-6);
    metrics.data_seconds.push_back(static_cast<double>(host_[2 * ranks + rank]) * 1e-6);
    metrics.peak_memory_bytes.push_back(host_[3 * ranks + rank]);
  }
  return metrics;
}

}  // namespace swallow
