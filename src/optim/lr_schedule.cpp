#include "optim/lr_schedule.h"

#include <cmath>
#include <numbers>

namespace swallow {

double LrSchedule::at(int64_t steps_done) const {
  if (warmup_steps > 0 && steps_done <= warmup_steps)
    return max_lr * static_cast<double>(steps_done) / static_cast<double>(warmup_steps);
  if (style == LrDecayStyle::constant) return max_lr;
  if (steps_done > decay_steps) return min_lr;
  const double progress = static_cast<double>(steps_done - warmup_steps) /
                          static_cast<double>(decay_steps - warmup_steps);
  const double remaining = style == LrDecayStyle::linear
                               ? 1.0 - progress
                               : 0.5 * (std::cos(std::numbers::pi * progress) + 1.0);
  return min_lr + remaining * (max_lr - min_lr);
}

}  // namespace swallow
