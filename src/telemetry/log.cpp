#include "telemetry/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <cstdlib>
#include <memory>

namespace swallow {

spdlog::logger make_log(const LogOptions& options) {
  const bool no_colour = std::getenv("NO_COLOR") != nullptr;
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>(
      no_colour ? spdlog::color_mode::never : spdlog::color_mode::automatic);
  const std::string rank =
      options.world_size > 1 ? fmt::format("[rank {}] ", options.rank) : std::string();
  spdlog::logger log("swallow-train", std::move(sink));
  log.set_pattern("%Y-%m-%dT%H:%M:%S " + rank + "%^%l%$: %v");
  log.set_level(options.level);
  log.flush_on(spdlog::level::info);
  log.set_error_handler([](const std::string&) {});  // a full disk must not end a run
  return log;
}

}  // namespace swallow
