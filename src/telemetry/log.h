// The console log for words rather than numbers: made once by `main` and passed down; there is no
// global one. Rooms below checkpoint do not log at all.
#pragma once

#include <spdlog/logger.h>

namespace swallow {

struct LogOptions {
  int rank = 0;
  int world_size = 1;
  spdlog::level::level_enum level = spdlog::level::info;
};

/// A logger on standard error. Lines carry the time, and the rank where there are several; they are
/// coloured on a terminal unless NO_COLOR is set. A line that cannot be written is dropped.
spdlog::logger make_log(const LogOptions& options);

}  // namespace swallow
