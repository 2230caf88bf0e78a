#include "train/tracing.h"

#include <spdlog/logger.h>

#include "launch/host_map.h"

namespace swallow {

namespace {

constexpr int64_t kSkippedSteps = 2;
constexpr int64_t kTracedSteps = 3;

}  // namespace

Tracing::Tracing(const LogConfig& config, const World& world, Stream& stream,
                 TrainingEngine& engine, spdlog::logger& log)
    : config_(config), world_(world), stream_(stream), engine_(engine), log_(log) {
  if (!config_.trace_dir.empty()) clock_ = measure_clock_offset(*world_.control);
}

void Tracing::start_after(int64_t steps_done) {
  if (config_.trace_dir.empty()) return;
  const bool given = config_.profile_step_start > 0;
  begin_ = given ? config_.profile_step_start : steps_done + kSkippedSteps + 1;
  end_ = given ? config_.profile_step_end : begin_ + kTracedSteps;
  engine_.reserve_timeline(end_ - begin_);
}

void Tracing::before_step(int64_t step) {
  if (step >= begin_ && step < end_) engine_.timeline().begin_step(stream_, step);
}

void Tracing::after_step(int64_t step, bool last) {
  if (step < begin_ || step >= end_) return;
  engine_.timeline().end_step();
  if (last || step + 1 == end_) write();
}

/// A picture that cannot be written does not stop training.
void Tracing::write() {
  const auto entries =
      engine_.timeline().take([&](const Event& event) { world_.synchronize(event); });
  const int64_t lost = engine_.timeline().lost();
  try {
    write_trace(config_.trace_dir,
                {.rank = world_.rank,
                 .at = world_.at,
                 .host = this_host().name,
                 .clock = clock_,
                 .lost = lost},
                entries);
  } catch (const IoError& error) {
    return log_.warn("--trace-dir: {}", error.what());
  }
  if (lost > 0) log_.warn("the timeline had no room for {} spans", lost);
  if (world_.rank == 0)
    log_.info("the timelines of steps {} to {} are in {}", begin_, end_ - 1, config_.trace_dir);
}

}  // namespace swallow
