#include "train/end_watch.h"

#include <algorithm>
#include <filesystem>

#include "base/check.h"
#include "config/point_in_time.h"
#include "config/value_text.h"

namespace swallow {

namespace {

constexpr std::chrono::seconds kLookAgain{1};

bool is_there(const std::string& path) {
  std::error_code error;  // a file system that does not answer is no order to end
  return std::filesystem::exists(path, error);
}

}  // namespace

EndWatch::EndWatch(Options options) : options_(std::move(options)) {
  if (!options_.kill_switch.empty() && is_there(options_.kill_switch))
    throw ConfigError("--kill-switch {}: the file is there; remove it to train",
                      printable(options_.kill_switch));
  if (options_.exit_at && until(*options_.exit_at) <= Seconds(0))
    throw ConfigError("--exit-at: the time is past by {:.0f} s; expected one to come",
                      -until(*options_.exit_at).count());
}

void EndWatch::note_step(Seconds time) {
  constexpr double kForget = 0.95;
  longest_step_ = std::max(time, longest_step_ * kForget);
}

void EndWatch::note_save(Seconds time) {
  longest_save_ = std::max(time, longest_save_);
}

std::optional<std::string> EndWatch::time_is_up() const {
  const Seconds needed = longest_step_ + 2 * longest_save_;
  const auto is_near = [&](SystemClock::time_point end) { return until(end) <= needed; };
  if (options_.job_end && is_near(*options_.job_end))
    return fmt::format("the job ends in {:.0f} s", until(*options_.job_end).count());
  if (options_.exit_at && is_near(*options_.exit_at))
    return fmt::format("the time of --exit-at comes in {:.0f} s", until(*options_.exit_at).count());
  if (options_.duration > Seconds(0) && is_near(options_.start + options_.duration))
    return fmt::format("the {:.4g} min of --exit-duration-in-mins are up in {:.0f} s",
                       Seconds(options_.duration).count() / 60,
                       until(options_.start + options_.duration).count());
  return std::nullopt;
}

bool EndWatch::killed() {
  const auto now = options_.now();
  if (killed_ || options_.kill_switch.empty() || now - looked_at_ < kLookAgain) return killed_;
  looked_at_ = now;
  killed_ = is_there(options_.kill_switch);
  return killed_;
}

bool EndWatch::save_fits() const {
  return !options_.job_end || until(*options_.job_end) > longest_save_;
}

EndWatch::Options end_options(const TrainingConfig& config,
                              std::optional<std::chrono::system_clock::time_point> job_end,
                              std::chrono::system_clock::time_point start) {
  EndWatch::Options options{
      .duration = std::chrono::seconds(static_cast<int64_t>(config.exit_duration_in_mins * 60)),
      .job_end = job_end,
      .kill_switch = config.kill_switch,
      .start = start};
  if (!config.exit_at.empty()) options.exit_at = parse_point_in_time("--exit-at ", config.exit_at);
  return options;
}

}  // namespace swallow
