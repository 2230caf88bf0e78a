// When a run has to end before its last iteration, other than by a signal: its job's time is nearly
// up, or somebody has made the kill-switch file. Rank 0 watches and votes; all others follow.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "config/run_config.h"

namespace swallow {

class EndWatch {
 public:
  using SystemClock = std::chrono::system_clock;

  struct Options {
    std::chrono::seconds duration{0};                // from `start`; 0: no limit
    std::optional<SystemClock::time_point> exit_at;  // the user's wish
    std::optional<SystemClock::time_point> job_end;  // the scheduler's: nothing runs after it
    std::string kill_switch;                         // a path, or empty
    SystemClock::time_point start{};                 // of this process
    std::function<SystemClock::time_point()> now = SystemClock::now;
  };

  /// Throws ConfigError when a time or the file is there already: nothing could be trained.
  explicit EndWatch(Options options);

  /// For planning: how long a step has taken, or how long a save has kept the run.
  void note_step(std::chrono::duration<double> time);
  void note_save(std::chrono::duration<double> time);

  /// Why to save and stop now, so that another step and a save twice as long as any so far do not
  /// come too late; nothing while there is time.
  [[nodiscard]] std::optional<std::string> time_is_up() const;
  /// Whether the kill-switch file is there. Asks the file system at most once a second.
  [[nodiscard]] bool killed();
  /// False when the job would be killed before a save like those so far is through.
  [[nodiscard]] bool save_fits() const;

 private:
  using Seconds = std::chrono::duration<double>;

  [[nodiscard]] Seconds until(SystemClock::time_point end) const { return end - options_.now(); }

  Options options_;
  Seconds longest_step_{0};  // of the last few: it forgets slowly
  Seconds longest_save_{0};
  SystemClock::time_point looked_at_{};
  bool killed_ = false;
};

/// What a run's flags and its scheduler ask for.
EndWatch::Options end_options(const TrainingConfig& config,
                              std::optional<std::chrono::system_clock::time_point> job_end,
                              std::chrono::system_clock::time_point start);

}  // namespace swallow
