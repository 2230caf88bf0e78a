// attempts.jsonl, the log of a run's jobs: when each began, and how it ended if it could tell.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/json_lines.h"

namespace swallow {

struct AttemptRecord {
  int64_t number = 0;
  int64_t from_iteration = 0;
  std::string run_id, host;
  double begin = 0;             // UTC; NaN when not known
  double end = 0;               // NaN: it has not told, so it was killed, crashed or runs yet
  int exit = -1;                // -1: not told
  int64_t last_iteration = -1;  // -1: not told
};

struct AttemptRecords {
  bool found = false;  // the file
  std::vector<AttemptRecord> attempts;
  LineDamage damage;
};

/// An empty record when there is no such file.
AttemptRecords read_attempts(const std::string& path);
AttemptRecords read_attempts(const ByteSource& lines);

/// "stopped with its state saved: submit again" for 75.
std::string describe_exit(int code);

}  // namespace swallow
