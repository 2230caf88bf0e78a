#include "train/rank_survey.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "telemetry/step_metrics.h"

namespace swallow {

RankPlaces rank_places(const ProcessGrid& grid, const HostMap& hosts) {
  RankPlaces places{.node_of_rank = hosts.node_of_rank, .host_names = hosts.host_names};
  for (int rank = 0; rank < grid.world_size(); ++rank)
    places.stage_of_rank.push_back(grid.coordinate(rank).pp);
  return places;
}

RankSurvey::RankSurvey(const World& world, Stream& stream)
    : world_(world),
      stream_(stream),
      host_(2 * static_cast<size_t>(world.grid.world_size())),
      buffer_(stream.device(), static_cast<int64_t>(host_.size() * sizeof(int64_t))) {}

void RankSurvey::add_step(double compute_seconds) noexcept {
  seconds_ += compute_seconds;
  ++steps_;
}

RankMetrics RankSurvey::gather(int64_t step) {
  const auto ranks = static_cast<size_t>(world_.grid.world_size());
  const auto own = static_cast<size_t>(world_.rank);
  RankMetrics metrics{.step = step, .steps = std::exchange(steps_, 0)};
  const double mean =
      std::exchange(seconds_, 0) / static_cast<double>(std::max<int64_t>(metrics.steps, 1));
  std::fill(host_.begin(), host_.end(), 0);  // what others fill in
  host_[own] = std::llround(std::max(mean, 0.0) * 1e6);
  host_[ranks + own] = peak_memory_bytes();

  const Tensor device{
      buffer_.data(), DType::i64, {static_cast<int64_t>(host_.size())}, stream_.device()};
  const Tensor host = host_view(std::span(host_));
  copy(stream_, device, host);
  world_.all_reduce_world(stream_, device, ReduceOp::sum);
  copy(stream_, host, device);
  world_.synchronize(stream_);
  for (size_t rank = 0; rank < ranks; ++rank) {
    metrics.compute_seconds.push_back(static_cast<double>(host_[rank]) * 1e-6);
    metrics.peak_memory_bytes.push_back(host_[ranks + rank]);
  }
  return metrics;
}

}  // namespace swallow
