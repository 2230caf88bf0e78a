// The steps of --trace-dir: which they are, and what happens when they are over.
#pragma once

#include <cstdint>

#include "config/run_config.h"
#include "train/engine.h"
#include "train/trace_file.h"

namespace spdlog {
class logger;
}

namespace swallow {

class Tracing {
 public:
  /// Collective where there is something to trace. Steps --profile-step-start to
  /// --profile-step-end, the latter not included; where they are not given, the third to the fifth
  /// of this process, which `steps_done` updates precede: the first ones make what later ones find
  /// made.
  Tracing(const LogConfig& config, const World& world, Stream& stream, TrainingEngine& engine,
          spdlog::logger& log);

  /// To be called once before the first step.
  void start_after(int64_t steps_done);

  /// Around each step; `last`: this rank makes no more of them.
  void before_step(int64_t step);
  void after_step(int64_t step, bool last);

 private:
  void write();

  const LogConfig& config_;
  const World& world_;
  Stream& stream_;
  TrainingEngine& engine_;
  spdlog::logger& log_;
  ClockOffset clock_;
  int64_t begin_ = 0;  // the first step that is recorded
  int64_t end_ = 0;    // the first that is not any more
};

}  // namespace swallow
