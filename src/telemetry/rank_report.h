// What is told of single ranks: who is slow, where it runs, and when the times of all are worth a
// record.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "telemetry/slow_rank.h"

namespace swallow {

/// Where each rank is.
struct RankPlaces {
  std::vector<int> stage_of_rank;       // pipeline stage
  std::vector<int> node_of_rank;        // index of host_names
  std::vector<std::string> host_names;  // of the nodes
};

/// Of each rank: means over `steps` steps up to `step`. The three times add up to a step's.
struct RankMetrics {
  int64_t step = 0;
  int64_t steps = 1;
  bool last = false;                       // the job takes no more steps
  std::vector<double> compute_seconds;     // of a step, without waiting
  std::vector<double> waiting_seconds;     // for other ranks, moving the bytes included
  std::vector<double> data_seconds;        // waiting for micro-batches
  std::vector<int64_t> peak_memory_bytes;  // largest resident set so far

  /// Of the rank with the largest; 0 of none.
  [[nodiscard]] int64_t most_memory() const noexcept;
};

class RankReport {
 public:
  using Clock = std::chrono::steady_clock;
  /// The least time between two records of an unchanged situation.
  static constexpr std::chrono::minutes kRecordEvery{1};

  explicit RankReport(RankPlaces places);

  /// What a record is due of: the means over all steps since the record before, so that every step
  /// is in one. Due are the first, one a minute, the last, and one when another rank, or none, is
  /// the slow one now.
  std::optional<RankMetrics> add(const RankMetrics& metrics, Clock::time_point now);

  /// "slow: rank 37 (host b07) +18 %", or empty when nobody is.
  [[nodiscard]] std::string note() const;
  /// For the end: the rank that was named most often, or empty.
  [[nodiscard]] std::string summary() const;

  [[nodiscard]] const RankPlaces& places() const noexcept { return places_; }

 private:
  [[nodiscard]] std::string name_of(int rank) const;
  void collect(const RankMetrics& metrics);

  RankPlaces places_;
  RankMetrics collected_{.steps = 0};  // since the last record, times as sums
  SlowRankWatch watch_;
  std::optional<Clock::time_point> recorded_;
  int64_t windows_ = 0;
  std::vector<int64_t> times_named_;  // windows, by rank
  std::vector<double> worst_;         // excess, by rank
};

}  // namespace swallow
