#include "report/run_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "base/check.h"
#include "config/config_json.h"
#include "config/value_text.h"

namespace swallow {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Kind = TimelineEntry::Kind;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kSchema = 1;  // of the lines, as MetricsLog writes them

/// Only arrays of numbers; empty otherwise.
std::vector<double> numbers(const Json& object, const char* key) {
  std::vector<double> values;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return values;
  for (const Json& value : *found) {
    if (!value.is_number()) return {};
    values.push_back(measurement(value.get<double>()));
  }
  return values;
}

/// No setting of a run is larger than 2^31, and products of two of these fit.
int64_t setting_in(const Json& object, const char* key, int64_t otherwise) {
  const int64_t value = integer_or(object, key, otherwise);
  return std::abs(value) <= int64_t{1} << 31 ? value : otherwise;
}

/// By rank; -1 for what is no number of a node.
std::vector<int> node_numbers(const Json& object, const char* key) {
  constexpr double kMostNodes = 1 << 20;
  std::vector<int> nodes;
  for (const double value : numbers(object, key))
    nodes.push_back(value >= 0 && value < kMostNodes ? static_cast<int>(value) : -1);
  return nodes;
}

/// Whether a record has times, and those that it has of every rank.
bool are_times(const RanksRecord& record) {
  const auto sound = [](double seconds) { return seconds >= 0; };
  const size_t ranks = record.compute_seconds.size();
  for (const auto* seconds :
       {&record.compute_seconds, &record.waiting_seconds, &record.data_seconds})
    if ((!seconds->empty() && seconds->size() != ranks) ||
        !std::all_of(seconds->begin(), seconds->end(), sound))
      return false;
  return ranks > 0 && record.step >= 0 && record.steps > 0 &&
         record.waiting_seconds.empty() == record.data_seconds.empty();
}

class Reader {
 public:
  explicit Reader(RunRecord& run) : run_(run) {}

  LineVerdict take(std::string_view text) {
    if (looks_like_step(text)) {
      std::optional<StepRecord> step = parse_step(text);
      if (!step) return LineVerdict::damaged;
      add(*step);
      return LineVerdict::good;
    }
    const Json line = parse_line(text);
    if (line.is_discarded()) return LineVerdict::damaged;
    if (integer_or(line, "schema", kSchema) > kSchema) return LineVerdict::unknown;
    const LineVerdict verdict = take(line, text);
    if (verdict == LineVerdict::good) note_time(parse_moment(text_or(line, "time", "")));
    return verdict;
  }

 private:
  LineVerdict take(const Json& line, std::string_view text) {
    const std::string kind = text_or(line, "kind", "");
    if (kind == "run") return add_job(line);
    if (kind == "validation" || kind == "test") return add_loss(line, kind == "test");
    if (kind == "save") return add_save(line);
    if (kind == "data") return add_sources(line);
    if (kind == "memory") return add_memory(text);
    if (kind == "ranks") return add_ranks(line);
    if (kind != "step") return kind.empty() ? LineVerdict::damaged : LineVerdict::unknown;
    std::optional<StepRecord> step = parse_step(text);  // its keys in another order
    if (!step) return LineVerdict::damaged;
    add(*step);
    return LineVerdict::good;
  }

  /// The job that lines belong to; one that nothing is known of when they come before any.
  int job() {
    if (run_.jobs.empty()) run_.jobs.push_back({.begin = kNone, .end = kNone});
    return static_cast<int>(run_.jobs.size()) - 1;
  }

  void note_time(double moment) {
    JobRecord& current = run_.jobs[static_cast<size_t>(job())];
    if (std::isnan(moment)) return;
    if (std::isnan(current.begin)) current.begin = moment;
    current.end = moment;
  }

  void add(StepRecord& step) {
    step.job = job();
    note_time(step.moment);
    run_.timeline.push_back({Kind::step, run_.steps.size()});
    run_.steps.push_back(step);
  }

  LineVerdict add_job(const Json& line) {
    JobRecord record{.begin = kNone,
                     .end = kNone,
                     .world_size = setting_in(line, "world_size", 0),
                     .parameters = integer_or(line, "parameters", 0),
                     .build = text_or(line, "build", "")};
    const auto config = line.find("config");
    if (config != line.end() && config->is_object()) record.config = *config;
    run_.timeline.push_back({Kind::job, run_.jobs.size()});
    run_.jobs.push_back(std::move(record));
    return LineVerdict::good;
  }

  LineVerdict add_loss(const Json& line, bool test) {
    const LossRecord record{.step = integer_or(line, "step", -1),
                            .loss = number_or(line, "loss", kNone),
                            .seconds = number_or(line, "seconds", 0),
                            .consumed_tokens = 0,
                            .job = job()};
    if (record.step < 0 || !line.contains("loss")) return LineVerdict::damaged;
    if (test) {
      run_.test = record;
      return LineVerdict::good;
    }
    run_.timeline.push_back({Kind::evaluation, run_.validations.size()});
    run_.validations.push_back(record);
    return LineVerdict::good;
  }

  LineVerdict add_save(const Json& line) {
    const SaveRecord record{.step = integer_or(line, "step", -1),
                            .moment = parse_moment(text_or(line, "time", "")),
                            .seconds = number_or(line, "seconds", 0),
                            .total_seconds = number_or(line, "total_seconds", 0),
                            .job = job()};
    if (record.step < 0) return LineVerdict::damaged;
    run_.timeline.push_back({Kind::save, run_.saves.size()});
    run_.saves.push_back(record);
    return LineVerdict::good;
  }

  /// Of several records, from several jobs, the last counts.
  LineVerdict add_sources(const Json& line) {
    const auto list = line.find("sources");
    if (list == line.end() || !list->is_array()) return LineVerdict::damaged;
    std::vector<SourceRecord> sources;
    for (const Json& source : *list) {
      if (!source.is_object()) return LineVerdict::damaged;
      sources.push_back({.split = text_or(source, "split", ""),
                         .prefix = text_or(source, "prefix", ""),
                         .share = number_or(source, "share", 0),
                         .documents = integer_or(source, "documents", 0),
                         .tokens = integer_or(source, "tokens", 0),
                         .samples = integer_or(source, "samples", 0)});
    }
    run_.sources = std::move(sources);
    return LineVerdict::good;
  }

  /// Categories keep the order in which they were written.
  LineVerdict add_memory(std::string_view text) {
    const auto line = nlohmann::ordered_json::parse(text);
    const auto list = line.find("stages");
    if (list == line.end() || !list->is_array()) return LineVerdict::damaged;
    std::vector<StageMemory> stages;
    for (const auto& stage : *list) {
      const auto bytes = stage.is_object() ? stage.find("bytes") : stage.end();
      if (!stage.is_object() || bytes == stage.end() || !bytes->is_object())
        return LineVerdict::damaged;
      const auto number = stage.find("stage");
      const bool numbered = number != stage.end() && number->is_number_unsigned();
      stages.push_back(
          {.stage = numbered ? number->template get<int64_t>() : std::ssize(stages), .bytes = {}});
      for (const auto& [category, value] : bytes->items())
        if (value.is_number())
          stages.back().bytes.emplace_back(category, measurement(value.template get<double>()));
    }
    run_.memory = std::move(stages);
    return LineVerdict::good;
  }

  LineVerdict add_ranks(const Json& line) {
    RanksRecord record{.step = integer_or(line, "step", -1),
                       .steps = integer_or(line, "steps", 1),
                       .compute_seconds = numbers(line, "compute_seconds"),
                       .waiting_seconds = numbers(line, "waiting_seconds"),
                       .data_seconds = numbers(line, "data_seconds"),
                       .peak_memory_bytes = numbers(line, "peak_memory_bytes"),
                       .hosts = {},
                       .node_of_rank = node_numbers(line, "node_of_rank")};
    if (!are_times(record)) return LineVerdict::damaged;
    const auto hosts = line.find("hosts");
    if (hosts != line.end() && hosts->is_array())
      for (const Json& host : *hosts)
        record.hosts.push_back(host.is_string() ? host.get<std::string>() : "?");
    run_.ranks.push_back(std::move(record));
    return LineVerdict::good;
  }

  RunRecord& run_;
};

/// A step is redone when a later line has the same or an earlier step: the job between was lost.
template <class Record>
void mark_redone(std::vector<Record>& records) {
  int64_t least = std::numeric_limits<int64_t>::max();
  for (auto it = records.rbegin(); it != records.rend(); ++it) {
    it->redone = it->step >= least;
    least = std::min(least, it->step);
  }
}

/// Evaluations say after which step they were, not after how many tokens.
void place_validations(RunRecord& run) {
  double tokens = 0;
  int64_t step = 0;
  double tokens_a_step = 0;
  for (const TimelineEntry& entry : run.timeline) {
    if (entry.kind == Kind::step) {
      const StepRecord& record = run.steps[entry.index];
      if (std::isfinite(record.consumed_tokens)) tokens = record.consumed_tokens;
      if (std::isfinite(record.tokens)) tokens_a_step = record.tokens;
      step = record.step;
    } else if (entry.kind == Kind::evaluation) {
      LossRecord& record = run.validations[entry.index];
      record.consumed_tokens =
          std::max(0.0, tokens + static_cast<double>(record.step - step) * tokens_a_step);
    }
  }
}

Json config_of(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error) || fs::file_size(path, error) > kMaxConfigBytes)
    return Json::object();
  std::ifstream file(path, std::ios::binary);
  return read_config(std::string{std::istreambuf_iterator<char>(file), {}});
}

/// The last part of the path that tells this run from another.
std::string short_name(const fs::path& path) {
  fs::path shown = path.lexically_normal();
  if (!shown.has_filename()) shown = shown.parent_path();  // "run/"
  if (shown.filename() == "metrics.jsonl" && shown.has_parent_path()) shown = shown.parent_path();
  const std::string name = shown.filename().string();
  return name.empty() || name == "." ? path.string() : name;
}

fs::path metrics_path(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    if (!fs::exists(path, error))
      throw ConfigError("{}: does not exist; expected the folder of a run or its metrics.jsonl",
                        printable(path));
    return path;
  }
  const fs::path file = fs::path(path) / "metrics.jsonl";
  if (!fs::is_regular_file(file, error))
    throw ConfigError(
        "{}: has no metrics.jsonl; expected the folder that was given to --log-dir or, without "
        "that, to --save",
        printable(path));
  return file;
}

/// Attempts are noted in the folder of --save, which may be another than that of the log.
AttemptRecords find_attempts(const fs::path& folder, const RunRecord& run) {
  AttemptRecords records = read_attempts((folder / "attempts.jsonl").string());
  const std::string save = text_or(run.config(), "save", "");
  const bool elsewhere = !text_or(run.config(), "log_dir", "").empty();
  if (!records.found && elsewhere && !save.empty())
    records = read_attempts((fs::path(save) / "attempts.jsonl").string());
  return records;
}

}  // namespace

const Json& RunRecord::config() const {
  return !jobs.empty() && !jobs.back().config.empty() ? jobs.back().config : config_file;
}

int64_t RunRecord::setting(const char* key, int64_t otherwise) const {
  return setting_in(config(), key, otherwise);
}

int64_t RunRecord::stage_of(size_t rank) const {
  const int64_t pp = setting("pipeline_model_parallel_size", 0);
  const int64_t world = jobs.back().world_size;
  return pp >= 1 && world >= pp && static_cast<int64_t>(rank) < world
             ? static_cast<int64_t>(rank) / (world / pp)
             : -1;
}

RunRecord read_metrics(const ByteSource& bytes, const std::string& name) {
  RunRecord run;
  Reader reader(run);
  run.damage = read_lines(bytes, [&](std::string_view line) { return reader.take(line); });
  if (run.timeline.empty())
    throw DataError(
        "{}: none of its {} lines is a record of a run; expected metrics.jsonl as swallow-train "
        "writes it",
        printable(name), run.damage.lines);
  mark_redone(run.steps);
  mark_redone(run.validations);
  mark_redone(run.ranks);
  place_validations(run);
  return run;
}

Json read_config(std::string_view text) {
  Json config = parse_line(text);
  return config.is_discarded() ? Json::object() : config;
}

RunRecord read_run(const std::string& path) {
  const fs::path file = metrics_path(path);
  FileBytes bytes(file.string());
  RunRecord run = read_metrics(std::ref(bytes), file.string());
  run.path = path;
  run.name = short_name(path);
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  run.config_file = config_of(folder / "config.json");
  run.attempts = find_attempts(folder, run);
  std::error_code error;
  const fs::path trace = folder / "trace";
  const std::string elsewhere = text_or(run.config(), "trace_dir", "");
  if (fs::is_directory(trace, error))
    run.trace_folder = trace.string();
  else if (!elsewhere.empty() && fs::is_directory(elsewhere, error))
    run.trace_folder = elsewhere;
  return run;
}

}  // namespace swallow
