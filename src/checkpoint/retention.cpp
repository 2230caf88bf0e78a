#include "checkpoint/retention.h"

#include <algorithm>
#include <functional>

#include "base/check.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/iteration_folder.h"

namespace swallow {

std::vector<int64_t> expired_iterations(std::vector<int64_t> iterations, int64_t newest,
                                        const Retention& retention,
                                        const std::function<bool(int64_t)>& is_whole) {
  std::vector<int64_t> expired;
  if (retention.interval <= 0 && retention.most_recent_k <= 0) return expired;
  const int64_t keep = std::max<int64_t>(retention.most_recent_k, 1);
  std::ranges::sort(iterations, std::greater<>());
  int64_t counted = 1;  // `newest`, just written
  for (const int64_t iteration : iterations) {
    if (iteration >= newest) continue;
    if (counted < keep) {
      counted += is_whole(iteration) ? 1 : 0;
      continue;
    }
    if (retention.interval > 0 && iteration % retention.interval == 0) continue;
    expired.push_back(iteration);
  }
  return expired;
}

void remove_expired(const std::string& folder, int64_t newest, const Retention& retention) {
  const auto is_whole = [&](int64_t iteration) {
    try {
      check_checkpoint(folder, iteration);
      return true;
    } catch (const CheckpointError&) {
      return false;
    }
  };
  for (const int64_t iteration :
       expired_iterations(committed_iterations(folder), newest, retention, is_whole))
    remove_iteration(folder, iteration);
}

}  // namespace swallow
