#include "telemetry/step_metrics.h"

#include <sys/resource.h>

namespace swallow {

int64_t peak_memory_bytes() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return int64_t{usage.ru_maxrss} * 1024;  // Linux counts KiB
}

}  // namespace swallow
