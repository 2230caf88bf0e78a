#include "report/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/check.h"
#include "config/value_text.h"
#include "report/json_lines.h"

namespace swallow {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr double kMicrosecond = 1e-6;

struct RankTrace {
  int rank = 0;
  std::optional<int> stage;                          // from the labels
  std::map<int64_t, std::vector<GanttBar>> by_step;  // rows are left 0
};

/// The number behind "stage " in "stage 1, dp 0, tp 0".
std::optional<int> stage_in(const std::string& labels) {
  const size_t at = labels.find("stage ");
  if (at == std::string::npos) return std::nullopt;
  int stage = 0;
  size_t digit = at + 6;
  for (; digit < labels.size() && labels[digit] >= '0' && labels[digit] <= '9'; ++digit)
    stage = std::min(stage * 10 + (labels[digit] - '0'), 1 << 20);
  return digit > at + 6 ? std::optional(stage) : std::nullopt;
}

void take_event(const Json& event, RankTrace& trace) {
  const auto args = event.find("args");
  if (args == event.end() || !args->is_object()) return;
  if (const auto stage = stage_in(text_or(*args, "labels", ""))) trace.stage = stage;
  const std::string name = text_or(event, "name", "");
  const bool forward = name == "forward";
  if ((!forward && name != "backward") || text_or(event, "ph", "") != "X") return;
  const double begin = number_or(event, "ts", NAN) * kMicrosecond;
  const double length = number_or(event, "dur", NAN) * kMicrosecond;
  const int64_t step = integer_or(*args, "step", -1);
  const int64_t microbatch = integer_or(*args, "microbatch", 0);
  constexpr int64_t kMostMicrobatches = 1 << 20;
  if (microbatch < 0 || microbatch > kMostMicrobatches) return;
  if (step < 0 || !std::isfinite(begin) || !(length >= 0) || !std::isfinite(length)) return;
  trace.by_step[step].push_back(
      {.row = 0,
       .kind = forward ? GanttBar::Kind::forward : GanttBar::Kind::backward,
       .microbatch = microbatch,
       .begin = begin,
       .end = begin + length});
}

/// Events are handed on as soon as they are whole and are not kept. The array may be the file or
/// the "traceEvents" of an object. False when the text ends early or is broken.
bool read_events(std::istream& file, RankTrace& trace) {
  const auto watch = [&trace](int depth, Json::parse_event_t event, Json& parsed) {
    if (event != Json::parse_event_t::object_end || depth > 2 || !parsed.contains("ph"))
      return true;
    take_event(parsed, trace);
    return false;
  };
  return !Json::parse(file, watch, /*allow_exceptions=*/false).is_discarded();
}

/// N of trace-N.json.
std::optional<int> rank_of(const fs::path& file) {
  const std::string name = file.filename().string();
  if (!name.starts_with("trace-") || !name.ends_with(".json") || name.size() > 20)
    return std::nullopt;
  const std::string digits = name.substr(6, name.size() - 11);
  if (digits.empty() || digits.size() > 7 ||
      digits.find_first_not_of("0123456789") != std::string::npos)
    return std::nullopt;
  return std::stoi(digits);
}

std::vector<RankTrace> read_ranks(const std::string& folder, TraceRecord& record) {
  std::vector<std::pair<int, fs::path>> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (const auto rank = rank_of(entry.path())) files.emplace_back(*rank, entry.path());
  std::sort(files.begin(), files.end());
  std::vector<RankTrace> ranks;
  for (const auto& [rank, path] : files) {
    std::ifstream file(path, std::ios::binary);
    RankTrace trace{.rank = rank, .stage = {}, .by_step = {}};
    if (!file || !read_events(file, trace))
      record.notes.push_back(
          fmt::format("{} is not whole; what could be read of it is used", path.string()));
    if (!trace.stage || trace.by_step.empty()) continue;
    ranks.push_back(std::move(trace));
  }
  return ranks;
}

/// Of each stage its lowest rank; empty when a stage below the highest is missing.
std::vector<const RankTrace*> one_a_stage(const std::vector<RankTrace>& ranks) {
  std::map<int, const RankTrace*> by_stage;
  for (const RankTrace& trace : ranks) by_stage.emplace(*trace.stage, &trace);
  std::vector<const RankTrace*> chosen;
  for (const auto& [stage, trace] : by_stage) {
    if (stage != static_cast<int>(chosen.size())) return {};
    chosen.push_back(trace);
  }
  return chosen;
}

std::vector<GanttBar> bars_of(const std::vector<const RankTrace*>& stages, int64_t step) {
  std::vector<GanttBar> bars;
  for (size_t stage = 0; stage < stages.size(); ++stage)
    for (GanttBar bar : stages[stage]->by_step.at(step)) {
      bar.row = static_cast<int>(stage);
      bars.push_back(bar);
    }
  return bars;
}

double length_of(const std::vector<GanttBar>& bars) {
  double begin = bars[0].begin;
  double end = bars[0].end;
  for (const GanttBar& bar : bars) {
    begin = std::min(begin, bar.begin);
    end = std::max(end, bar.end);
  }
  return end - begin;
}

}  // namespace

TraceRecord read_trace(const std::string& folder) {
  TraceRecord record;
  const std::vector<RankTrace> ranks = read_ranks(folder, record);
  const std::vector<const RankTrace*> stages = one_a_stage(ranks);
  if (stages.empty()) return record;
  size_t whole = 0;  // bars of the stage that has the most: a step cut short has fewer
  for (const auto& [step, bars] : stages[0]->by_step) whole = std::max(whole, bars.size());
  std::vector<std::pair<double, int64_t>> steps;
  for (const auto& [step, bars] : stages[0]->by_step) {
    const bool everywhere = std::all_of(stages.begin(), stages.end(), [&](const RankTrace* trace) {
      const auto found = trace->by_step.find(step);
      return found != trace->by_step.end() && found->second.size() == whole;
    });
    if (everywhere) steps.emplace_back(length_of(bars_of(stages, step)), step);
  }
  if (steps.empty()) return record;
  std::sort(steps.begin(), steps.end());
  record.step = steps[(steps.size() - 1) / 2].second;
  record.bars = bars_of(stages, record.step);
  return record;
}

}  // namespace swallow
