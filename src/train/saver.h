// When and how a run is saved: at once or in the background, what happens when a save fails, and
// which earlier checkpoints go. One save at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/check.h"
#include "checkpoint/background_save.h"
#include "checkpoint/snapshot.h"
#include "telemetry/metrics_log.h"
#include "train/end_watch.h"
#include "train/engine.h"

namespace spdlog {
class logger;
}

namespace swallow {

/// Everything outlives the saver.
struct SaverContext {
  const CheckpointConfig& config;
  const World& world;
  TrainingEngine& engine;
  spdlog::logger& log;
  MetricsLog* metrics = nullptr;  // on rank 0
  EndWatch* end = nullptr;        // on rank 0
};

/// All but written() are collective. Without --save nothing is ever done.
class Saver {
 public:
  /// Allocates the copy for --async-save.
  explicit Saver(const SaverContext& context);

  /// A save between steps. It may fail: training goes on, and the log tells what is still safe;
  /// when the third in a row has failed, IoError is thrown.
  void save(const CheckpointState& state);
  /// The last save of a job: on the disk when it returns. Throws IoError when it fails.
  void save_last(const CheckpointState& state);

  /// Whether this rank has written its file of a save in the background, which then waits for
  /// commit().
  [[nodiscard]] bool written() const;
  /// To be called when all ranks have written; waits for them otherwise. Fails as save() does.
  void commit();

  /// `iteration` is in the folder already.
  void note_saved(int64_t iteration) { saved_at_ = iteration; }

 private:
  using Clock = std::chrono::steady_clock;

  /// The save in the background, from its copy on.
  struct Running {
    std::unique_ptr<BackgroundSave> save;
    Clock::time_point start;
    double blocked_seconds = 0;
  };

  [[nodiscard]] bool is_new(const CheckpointState& state) const;
  void write(const CheckpointState& state);
  void start(const CheckpointState& state);
  void finish();
  void try_to(int64_t iteration, const std::function<void()>& work);
  void done(int64_t iteration, double blocked_seconds, double seconds);
  void stop_after_failures() const;
  [[nodiscard]] std::string what_is_safe() const;

  SaverContext c_;
  std::optional<Snapshot> snapshot_;
  std::optional<Running> running_;
  int64_t saved_at_ = -1;
  int failures_ = 0;  // in a row
  std::string last_failure_;
};

}  // namespace swallow
