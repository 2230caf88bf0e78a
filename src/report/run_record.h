// All that a run has left behind, as a report needs it: metrics.jsonl in the order of the file,
// with the jobs that wrote it told apart. Damage is counted, never fatal, as long as anything is
// left.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "report/attempts.h"
#include "report/json_lines.h"
#include "report/step_parser.h"
#include "telemetry/flops.h"

namespace swallow {

/// One job of the run: from its "run" line to the next.
struct JobRecord {
  double begin = 0;  // moments as parse_moment() gives them; NaN when not known
  double end = 0;    // of its last line
  int64_t world_size = 0;
  int64_t parameters = 0;
  std::string build;  // empty: the record does not say
  nlohmann::json config = nlohmann::json::object();
};

struct LossRecord {
  int64_t step = 0;
  double loss = 0;
  double seconds = 0;
  double consumed_tokens = 0;  // by the training before it
  int job = 0;
  bool redone = false;
};

struct SaveRecord {
  int64_t step = 0;
  double moment = 0;
  double seconds = 0;        // that training stood still
  double total_seconds = 0;  // to the commit
  int job = 0;
};

/// A line of time, in the order of the file: what training did and how long it took.
struct TimelineEntry {
  enum class Kind : uint8_t { job, step, evaluation, save };
  Kind kind = Kind::step;
  size_t index = 0;  // in the run's vector of this kind
};

struct SourceRecord {
  std::string split, prefix;
  double share = 0;
  int64_t documents = 0, tokens = 0;  // in the files
  int64_t samples = 0;                // that the whole training takes from it
};

struct StageMemory {
  int64_t stage = 0;
  std::vector<std::pair<std::string, double>> bytes;  // by category
};

/// Of each rank: means over `steps` steps up to `step`.
struct RanksRecord {
  int64_t step = 0;
  int64_t steps = 0;
  std::vector<double> compute_seconds;
  std::vector<double> waiting_seconds;  // for other ranks; empty: an older record, without this
  std::vector<double> data_seconds;     // waiting for micro-batches; likewise
  std::vector<double> peak_memory_bytes;
  std::vector<std::string> hosts;  // by node
  std::vector<int> node_of_rank;   // index into hosts; -1: not known
  bool redone = false;             // a later job has done at least the last of its steps again
};

struct RunRecord {
  std::string path;  // as it was given
  std::string name;  // short, for legends
  std::vector<JobRecord> jobs;
  std::vector<StepRecord> steps;
  std::vector<LossRecord> validations;
  std::optional<LossRecord> test;
  std::vector<SaveRecord> saves;
  std::vector<TimelineEntry> timeline;
  std::vector<SourceRecord> sources;
  std::vector<StageMemory> memory;
  std::vector<RanksRecord> ranks;
  LineDamage damage;
  AttemptRecords attempts;
  std::string trace_folder;  // that is there, or empty

  /// The last job's resolved configuration; config.json's when no job's line has one.
  [[nodiscard]] const nlohmann::json& config() const;
  [[nodiscard]] int64_t setting(const char* key, int64_t otherwise) const;
  /// Pipeline stage of a rank of the last job; axes in Megatron's order: tp fastest, then dp, then
  /// pp. -1: not known.
  [[nodiscard]] int64_t stage_of(size_t rank) const;

  nlohmann::json config_file = nlohmann::json::object();
};

/// `path` is a run's folder, with metrics.jsonl in it and beside it what else there is, or a file
/// like metrics.jsonl. Throws ConfigError when it is neither, DataError when nothing in it is a
/// record of a run.
RunRecord read_run(const std::string& path);

/// What metrics.jsonl alone tells, out of its bytes; `name` is what a DataError calls it.
RunRecord read_metrics(const ByteSource& bytes, const std::string& name);
/// A config.json, or no members when the text is none: that is no reason to refuse a run's numbers.
nlohmann::json read_config(std::string_view text);

}  // namespace swallow
