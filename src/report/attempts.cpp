#include "report/attempts.h"

#include <fmt/format.h>

#include <filesystem>
#include <limits>

#include "base/check.h"

namespace swallow {

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

LineVerdict take(std::string_view text, std::vector<AttemptRecord>& attempts) {
  const nlohmann::json line = parse_line(text);
  const int64_t number = line.is_discarded() ? 0 : integer_or(line, "attempt", 0);
  if (number < 1) return LineVerdict::damaged;
  const double moment = parse_moment(text_or(line, "time", ""));
  if (line.contains("exit")) {
    // The end of an attempt whose beginning is lost tells when, not how long.
    if (attempts.empty() || attempts.back().number != number)
      attempts.push_back({.number = number, .from_iteration = -1, .begin = kNone, .end = kNone});
    attempts.back().exit = static_cast<int>(integer_or(line, "exit", -1));
    attempts.back().last_iteration = integer_or(line, "iteration", -1);
    attempts.back().end = moment;
    return LineVerdict::good;
  }
  attempts.push_back({.number = number,
                      .from_iteration = integer_or(line, "from_iteration", -1),
                      .run_id = text_or(line, "run_id", ""),
                      .host = text_or(line, "host", ""),
                      .begin = moment,
                      .end = kNone});
  return LineVerdict::good;
}

}  // namespace

AttemptRecords read_attempts(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return {};
  FileBytes file(path);
  return read_attempts(std::ref(file));
}

AttemptRecords read_attempts(const ByteSource& lines) {
  AttemptRecords records{.found = true};
  records.damage =
      read_lines(lines, [&](std::string_view line) { return take(line, records.attempts); });
  return records;
}

std::string describe_exit(int code) {
  switch (static_cast<ExitCode>(code)) {
    case ExitCode::ok:
      return "done";
    case ExitCode::config:
      return "configuration refused";
    case ExitCode::data:
      return "bad data";
    case ExitCode::checkpoint:
      return "no usable checkpoint";
    case ExitCode::non_finite:
      return "loss or gradient not finite, weights untouched";
    case ExitCode::internal:
      return "a bug of the program";
    case ExitCode::bad_node:
      return "node-check found something";
    case ExitCode::resources:
      return "out of memory or another limit";
    case ExitCode::io:
      return "writing failed";
    case ExitCode::stopped:
      return "stopped with its state saved";
    case ExitCode::peer_lost:
      return "another rank was lost";
    case ExitCode::crash_loop:
      return "given up: job after job had died";
  }
  return "an exit code of no meaning here";
}

}  // namespace swallow
