// The learning rate as Megatron-LM counts it (optimizer_param_scheduler): a function of the number
// of steps already done, so the first step of a warm-up has rate zero.
#pragma once

#include <cstdint>

#include "config/run_config.h"

namespace swallow {

struct LrSchedule {
  double max_lr = 0;
  double min_lr = 0;
  int64_t warmup_steps = 0;
  int64_t decay_steps = 1;
  LrDecayStyle style = LrDecayStyle::cosine;

  /// `steps_done`: 0 before the first update. Linear warm-up from zero; then from max_lr to min_lr
  /// at decay_steps; min_lr from there on.
  [[nodiscard]] double at(int64_t steps_done) const;
};

}  // namespace swallow
