#include "train/watchdog.h"

#include <unistd.h>

#include <iostream>
#include <utility>

#include "base/check.h"
#include "launch/helper_thread.h"

namespace swallow {

namespace {

constexpr int kTimesLongestStep = 10;
constexpr int kPatience = 5;  // intervals

double seconds(AwakeClock::duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

Watchdog::Watchdog(const World& world, Options options)
    : world_(world), options_(std::move(options)) {
  AwakeClock::start_ticking();
  thread_ = start_without_signals([this] { watch(); });
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  wake_.notify_all();
  thread_.join();
  AwakeClock::stop_ticking();
}

void Watchdog::enter(Phase phase, int64_t iteration) {
  const auto now = Clock::now();
  const std::lock_guard lock(mutex_);
  if (phase_ == Phase::step || phase_ == Phase::first_step)
    longest_step_ = std::max(longest_step_, now - since_);
  phase_ = phase;
  iteration_ = iteration;
  since_ = now;
}

void Watchdog::watch() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, options_.interval, [&] { return stopped_; })) {
    AwakeClock::tick();
    const Doing doing = world_.calls ? world_.calls->doing() : Doing{};
    std::string reason = overdue(doing.busy_seconds < 0);
    const std::string where = place();
    lock.unlock();
    world_.control->tell(doing.busy_seconds, where + ", " + doing.text);
    if (!reason.empty()) {
      reason += ", " + doing.text;
      world_.abort(reason);
    } else {
      reason = given_up();
    }
    if (!reason.empty()) {
      options_.expire(reason);
      return;
    }
    lock.lock();
  }
}

/// "step 12", "set-up": where the rank is, for others.
std::string Watchdog::place() const {
  switch (phase_) {
    case Phase::setup:
      return "the set-up";
    case Phase::first_step:
    case Phase::step:
      return fmt::format("step {}", iteration_);
    case Phase::evaluation:
      return fmt::format("the evaluation after step {}", iteration_);
    case Phase::save:
      return fmt::format("the save after step {}", iteration_);
  }
  return {};
}

/// Why the phase has lasted too long, or nothing. A rank that waits for others lets them speak
/// first: the one that hangs, if it can, says more.
std::string Watchdog::overdue(bool waits) const {
  Clock::duration limit = options_.limits.of(phase_);
  if (limit == Clock::duration::zero()) return {};
  if (phase_ == Phase::step) limit = std::max(limit, kTimesLongestStep * longest_step_);
  const Clock::duration passed = Clock::now() - since_;
  if (passed < limit + (waits ? kPatience * options_.interval : Clock::duration::zero())) return {};
  return fmt::format("rank {} {} in {}: {:.0f} s, with --phase-timeouts {}={:.4g} [minutes]",
                     world_.rank, waits ? "waits" : "hangs", place(), seconds(passed),
                     name_of(phase_), seconds(limit) / 60);
}

/// Why this rank, which ought to have ended with the job, must be ended.
std::string Watchdog::given_up() {
  try {
    world_.control->check();
    return {};
  } catch (const Error& error) {
    const auto now = Clock::now();
    if (aborted_at_ == Clock::time_point::max()) aborted_at_ = now;
    if (now - aborted_at_ < options_.grace) return {};
    return fmt::format("rank {} has not ended within {:.0f} s of the job: {}", world_.rank,
                       seconds(options_.grace), error.what());
  }
}

void end_process(const std::string& reason) {
  std::cerr << fmt::format("swallow-train: error: {}\n", reason) << std::flush;
  ::_exit(static_cast<int>(ExitCode::peer_lost));
}

}  // namespace swallow
